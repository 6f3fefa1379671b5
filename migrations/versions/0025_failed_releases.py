"""Releases that failed: what was released could not be shown after all."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    run_script("0025_failed_releases")
