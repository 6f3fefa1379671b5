"""Programs with an identity of their own, and the secrets that they prove it with."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    run_script("0039_service_clients")
