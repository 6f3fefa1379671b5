"""The foundation: every table, the gate's functions, row-level security, the job queue."""

from __future__ import annotations

from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0001"
down_revision = None


def upgrade() -> None:
    for name in ("0001_foundation", "0001_pgqueuer", "0001_gate"):
        _run_script(name)


def _run_script(name: str) -> None:
    """Run a file of many statements inside the migration's transaction."""
    script = Path(__file__).parents[1].joinpath("sql", f"{name}.sql").read_text()
    connection = op.get_bind()
    connection.execute(text("SELECT 1"))  # the driver begins the transaction with a statement
    dbapi = connection.connection.dbapi_connection
    assert dbapi is not None
    dbapi.run_async(lambda driver: driver.execute(script))
