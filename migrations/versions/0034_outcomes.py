"""Ending a consent keeps what it did, for its receipt."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    run_script("0034_outcomes")
