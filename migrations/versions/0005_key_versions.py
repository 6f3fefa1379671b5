"""Wrapping keys have versions; a role of its own moves what is wrapped from one to the next."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_script("0005_key_versions")
