"""Runs migrations on the connection it is handed; `strongroom migrate` is how they are run."""

from __future__ import annotations

from alembic import context
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.base import ischema_names

from adapters.postgres.tables import TransactionId, metadata

# A migration that would wait behind traffic gives up, and is tried again, rather than stop it.
LIMITS = ("SET lock_timeout = '5s'", "SET statement_timeout = '10min'")


def include_name(name: str | None, kind: str, _parents: object) -> bool:
    """The job queue's tables are the library's own: made in our migrations, not described."""
    return not (kind == "table" and name is not None and name.startswith("pgqueuer"))


ischema_names["xid8"] = TransactionId

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Run `strongroom migrate`.")
for limit in LIMITS:
    connection.execute(text(limit))
context.configure(
    connection=connection,
    target_metadata=metadata,
    include_name=include_name,
    compare_server_default=False,
)
with context.begin_transaction():
    context.run_migrations()
