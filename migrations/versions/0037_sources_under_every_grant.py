"""An answer rests on a version under every grant that opened it, not under one of them."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    run_script("0037_sources_under_every_grant")
