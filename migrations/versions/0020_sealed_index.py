"""The index of what is searched sealed."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    run_script("0020_sealed_index")
