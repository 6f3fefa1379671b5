"""Schemas of records, with immutable versions."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_script("0003_schemas")
