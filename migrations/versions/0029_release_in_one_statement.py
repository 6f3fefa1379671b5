"""A release is held, judged once more and written by one statement."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    run_script("0029_release_in_one_statement")
