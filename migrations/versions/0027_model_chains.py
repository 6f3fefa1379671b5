"""The models that a tenant has chosen, in the order in which they are tried."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    run_script("0027_model_chains")
