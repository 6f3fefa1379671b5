"""Let administrators keep the registry of purposes."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_script("0006_purposes")
