"""Evidence: leaves of version 2, sealed evidence, salts that one document's erasure deletes."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_script("0003_evidence")
