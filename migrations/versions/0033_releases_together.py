"""Releases of those who read at the same time are written together."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    run_script("0033_releases_together")
