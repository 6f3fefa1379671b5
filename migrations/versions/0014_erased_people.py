"""People who leave, with all that is theirs."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_script("0014_erased_people")
