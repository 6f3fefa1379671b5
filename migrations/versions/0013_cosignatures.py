"""Cosignatures of witnesses."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_script("0013_cosignatures")
