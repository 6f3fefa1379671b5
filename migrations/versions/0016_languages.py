"""Languages: what a document is written in, and how its words are cut to stems."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_script("0016_languages")
