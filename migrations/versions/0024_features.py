"""Features of passages and documents, their history, and what stores of vectors are told of."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run_script("0024_features")
    run_script("0024_vector_stores")
