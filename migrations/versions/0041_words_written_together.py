"""What is written together is a word besides: documents are analysed anew."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    run_script("0041_words_written_together")
