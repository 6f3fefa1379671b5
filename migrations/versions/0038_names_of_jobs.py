"""Jobs have names, and are found by whose tenant's they are."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    run_script("0038_names_of_jobs")
