"""A graph of vectors (HNSW), for those who see many passages."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    run_script("0022_near_vectors")
