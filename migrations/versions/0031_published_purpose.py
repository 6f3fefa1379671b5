"""The built-in purpose of care stands for a term that is published."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    run_script("0031_published_purpose")
