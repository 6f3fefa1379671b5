"""Files of many SQL statements, run inside a migration's transaction."""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

from adapters.postgres.migrate import migrations_directory


def run_script(name: str) -> None:
    """Run `migrations/sql/<name>.sql`."""
    script = migrations_directory().joinpath("sql", f"{name}.sql").read_text()
    connection = op.get_bind()
    connection.execute(text("SELECT 1"))  # the driver begins the transaction with a statement
    dbapi = connection.connection.dbapi_connection
    assert dbapi is not None
    dbapi.run_async(lambda driver: driver.execute(script))
