"""What answers were made from."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run_script("0019_answer_manifests")
