"""Share links, and the tokens that act under one grant."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_script("0012_links")
