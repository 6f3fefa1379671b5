"""No samples of what may be erased are left in the statistics of the planner."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run_script("0017_no_samples")
