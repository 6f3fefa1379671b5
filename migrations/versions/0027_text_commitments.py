"""What stands for the whole text of a version, where the text itself must not be told."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0027"
down_revision = "0024"


def upgrade() -> None:
    run_script("0027_text_commitments")
