"""What answers were made from."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0018"
down_revision = "0015"


def upgrade() -> None:
    run_script("0018_answer_manifests")
