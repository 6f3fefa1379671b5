"""Sessions that are over, and tokens that ran out, are swept."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_script("0010_sweep_sessions")
