"""A backup gives no redemption of a link back, not only the last one."""

from __future__ import annotations

from adapters.postgres.scripts import run_script

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    run_script("0040_every_redemption")
