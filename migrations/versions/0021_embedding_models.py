"""Two embedding models side by side: which one serves a tenant, and which comes or goes."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    run_script("0021_embedding_models")
