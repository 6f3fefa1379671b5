"""One-time codes (RFC 6238) as a second factor, and the assurance of sessions."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_script("0009_totp")
