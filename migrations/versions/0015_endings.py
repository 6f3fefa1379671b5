"""What ended for good, so that a restored backup cannot bring it back."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_script("0015_endings")
