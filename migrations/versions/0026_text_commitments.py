"""What stands for the whole text of a version, where the text itself must not be told."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    run_script("0026_text_commitments")
