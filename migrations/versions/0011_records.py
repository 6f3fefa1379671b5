"""Records: versions that follow a schema, and passages that stand for one of their fields."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_script("0011_records")
