"""Connections, and the one way to open a transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import URL, Row, TextClause, event, make_url, text
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from domain.errors import OutcomeUnknown, Unavailable
from domain.identity import PersonId, TenantId

APPLICATION = "strongroom_app"
SEQUENCER = "strongroom_sequencer"
KEYKEEPER = "strongroom_keykeeper"
AUDITOR = "strongroom_auditor"
OWNER = "strongroom_owner"

POOL_SIZE = 16
POOL_WAIT_SECONDS_MAX = 10.0
CONNECT_SECONDS_MAX = 10.0

_SESSION = {
    "application_name": "strongroom",
    "timezone": "UTC",
    "statement_timeout": "30s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "60s",
    "jit": "off",
}

_ENTER = text(
    "SELECT set_config('app.tenant', :tenant, true), set_config('app.person', :person, true)"
)

# SQLSTATE classes that say "not now": connection, resources, operator intervention, lock timeout.
_PASSING = ("08", "53", "57P", "55P03", "57014", "40")

_NOW = text("SELECT clock_timestamp()")


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """Where the database is. Sessions take the role of a part of the service, never the login's.

    `role` is set at connection time, so that RESET ROLE leads back to it.
    """

    url: URL

    @classmethod
    def at(cls, url: str) -> Database:
        """`url` in libpq's form: postgresql://user:password@host:port/name."""
        parsed = make_url(url)
        return cls(url=parsed.set(drivername="postgresql+asyncpg"))

    def engine(self, role: str, *, pool_size: int = POOL_SIZE) -> AsyncEngine:
        engine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_SECONDS_MAX,
            hide_parameters=True,  # an error's text would quote them
            pool_use_lifo=True,
            connect_args={
                "server_settings": _SESSION | {"role": role},
                "timeout": CONNECT_SECONDS_MAX,
            },
        )
        event.listen(engine.sync_engine, "checkout", _assert_open)
        return engine

    async def connect(self, role: str) -> Any:
        """A connection of its own, for what cannot share one: LISTEN, the job queue."""
        return await asyncpg.connect(
            self.url.set(drivername="postgresql").render_as_string(hide_password=False),
            server_settings=_SESSION | {"role": role, "statement_timeout": "0"},
            timeout=CONNECT_SECONDS_MAX,
        )


def _assert_open(pooled: Any, _record: object, _proxy: object) -> None:
    """The pool replaces one that the database has closed meanwhile, as when it was restarted.

    That is known here without asking; one that is closed at this moment is an outage.
    """
    if pooled.driver_connection.is_closed():
        raise DisconnectionError


@asynccontextmanager
async def transaction(
    engine: AsyncEngine, tenant_id: TenantId, person_id: PersonId | None = None
) -> AsyncIterator[AsyncConnection]:
    """One transaction inside one tenant: a clean exit commits, an exception rolls back.

    Raises Unavailable when the database cannot be reached or does not answer in time, and
    OutcomeUnknown where that was its answer to the commit.
    """
    async with entered(engine, tenant_id, person_id, by=_ENTER) as (connection, _):
        yield connection


@asynccontextmanager
async def entered(
    engine: AsyncEngine,
    tenant_id: TenantId,
    person_id: PersonId | None,
    *,
    by: TextClause,
) -> AsyncIterator[tuple[AsyncConnection, Row[Any]]]:
    """A transaction as above. `by` is _ENTER with more columns, which come back as well: what else
    has to be set or known at its beginning costs no round trip of its own. Row-level security shows
    nothing to one that does not enter.
    """
    committing = False
    try:
        with translated_outages():
            async with engine.begin() as connection:
                person = "" if person_id is None else str(person_id)
                where = {"tenant": str(tenant_id), "person": person}
                yield connection, (await connection.execute(by, where)).one()
                committing = True
    except Unavailable as outage:
        if committing:
            raise OutcomeUnknown from outage
        raise


def violated(error: DBAPIError) -> str | None:
    """The name of the constraint that was violated: its message need not tell it."""
    name: str | None = getattr(getattr(error.orig, "__cause__", None), "constraint_name", None)
    return name


async def present_time(connection: AsyncConnection) -> datetime:
    """By the database's clock: the same for every process, and going on within a transaction."""
    at: datetime = (await connection.execute(_NOW)).scalar_one()
    return at


@contextmanager
def translated_outages() -> Iterator[None]:
    try:
        yield
    except (PoolTimeout, OSError, TimeoutError) as outage:
        raise Unavailable("The database does not answer; nothing was changed.") from outage
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        state = getattr(error, "sqlstate", None) or ""
        if not state or state.startswith(_PASSING):
            raise Unavailable("The database does not answer; nothing was changed.") from error
        raise
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None) or ""
        lost = isinstance(error, (OperationalError, InterfaceError)) and not state
        if lost or error.connection_invalidated or state.startswith(_PASSING):
            raise Unavailable("The database does not answer; nothing was changed.") from error
        raise
