"""Jobs are found by whose they are, so that one person's many wait behind another's few."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    run_script("0036_turns_of_persons")
