"""A grant begins and ends at times that all who read it can tell."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    run_script("0030_instants_in_our_age")
