"""Evidence: leaves of version 2, sealed evidence, salts that one document's erasure deletes."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_script("0004_evidence")
