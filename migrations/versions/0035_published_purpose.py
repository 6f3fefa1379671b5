"""The built-in purpose of care stands for a term that is published."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0035"
down_revision = "0036"


def upgrade() -> None:
    run_script("0035_published_purpose")
