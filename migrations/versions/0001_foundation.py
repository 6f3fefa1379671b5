"""The foundation: every table, the gate's functions, row-level security, the job queue."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    for name in ("0001_foundation", "0001_pgqueuer", "0001_gate"):
        run_script(name)
