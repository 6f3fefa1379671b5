"""What becomes of finished answers when the consent that they rest on is withdrawn."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    run_script("0028_kept_answers")
