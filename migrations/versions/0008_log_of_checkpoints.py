"""The log of checkpoints: what one set of witnesses watches for all tenants."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_script("0008_log_of_checkpoints")
