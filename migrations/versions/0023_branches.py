"""Branches of a conversation, and questions that wait for their turn."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    run_script("0023_branches")
