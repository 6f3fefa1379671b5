"""Grants in full: records and collections, fields, intervals, assurance, onward sharing."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_script("0002_grants")
