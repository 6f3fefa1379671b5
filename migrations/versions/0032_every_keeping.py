"""An answer says of every withdrawal that kept it on which basis it did."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    run_script("0032_every_keeping")
