"""A wake-up whenever a grant is closed, for the streams that rest on it."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_script("0007_closed_grants")
