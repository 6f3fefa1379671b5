"""What answers take: budgets of the day, reservations, and a ledger that only grows."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    run_script("0018_spending")
