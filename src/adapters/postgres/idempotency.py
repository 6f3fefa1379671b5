"""Requests that take effect once: the claim and the effect are one transaction.

A repeat that arrives while the first is under way waits for it, and answers what it answers; for
what takes milliseconds, which nearly all does, nobody is refused and has to come again. It waits
for a bounded time. A first request that is held up holds up each of its repeats, and each of them
holds a connection of the pool: without a bound of their own they would wait as long as for any
lock, have other people's requests wait behind them, and in the end be told that the service is
down, which it is not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.tables import idempotency_keys as claims
from application.ports import Idempotency
from domain.errors import KeyInUse, KeyReused
from domain.identity import Caller

KEY_WAIT_SECONDS_MAX = 2

_USUAL_LIMIT = text("SELECT current_setting('lock_timeout')")
_LIMIT = text("SELECT set_config('lock_timeout', :limit, true)")
_LOCK_NOT_AVAILABLE = "55P03"


async def claim(
    connection: AsyncConnection, caller: Caller, idempotency: Idempotency | None, resource: UUID
) -> UUID:
    """The resource that this request is about: `resource`, or the one an earlier try made.

    Two tries at once are put in order by the unique key: the second waits for the first to
    commit, and then finds its resource. Raises KeyReused when the key came with another request,
    and KeyInUse when the first did not end within KEY_WAIT_SECONDS_MAX: whatever the second asks
    for, as what the first asked for cannot be seen before it commits.
    """
    if idempotency is None:
        return resource
    fresh = upsert(claims).values(
        **_identity(caller, idempotency),
        request_hash=idempotency.request_hash,
        resource_id=resource,
    )
    async with _waiting_for_the_first(connection):
        inserted = await connection.execute(fresh.on_conflict_do_nothing())
    if inserted.rowcount == 1:
        return resource
    earlier = await claimed(connection, caller, idempotency)
    assert earlier is not None
    return earlier


async def is_claimed(connection: AsyncConnection, caller: Caller, idempotency: Idempotency) -> bool:
    """Whether this very request took effect. Raises KeyReused as `claim` does."""
    return await claimed(connection, caller, idempotency) is not None


async def claimed(
    connection: AsyncConnection, caller: Caller, idempotency: Idempotency
) -> UUID | None:
    """The resource that an earlier request made, if there was one. Raises KeyReused."""
    identity = _identity(caller, idempotency)
    found = select(claims.c.request_hash, claims.c.resource_id).where(
        *(claims.c[name] == value for name, value in identity.items())
    )
    row = (await connection.execute(found)).one_or_none()
    if row is None:
        return None
    if row.request_hash != idempotency.request_hash:
        raise KeyReused
    return UUID(str(row.resource_id))


async def named(connection: AsyncConnection, caller: Caller, route: str, key: str) -> UUID | None:
    """The resource that was made under this name, whatever the request said."""
    found = select(claims.c.resource_id).where(
        claims.c.tenant_id == caller.tenant_id,
        claims.c.person_id == caller.person_id,
        claims.c.route == route,
        claims.c.key == key,
    )
    resource = (await connection.execute(found)).scalar_one_or_none()
    return None if resource is None else UUID(str(resource))


@asynccontextmanager
async def _waiting_for_the_first(connection: AsyncConnection) -> AsyncIterator[None]:
    """What waits in here for a lock waits no longer than a repeat may."""
    usual = (await connection.execute(_USUAL_LIMIT)).scalar_one()
    await connection.execute(_LIMIT, {"limit": f"{KEY_WAIT_SECONDS_MAX}s"})
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE:
            raise KeyInUse from error
        raise
    await connection.execute(_LIMIT, {"limit": usual})


def _identity(caller: Caller, idempotency: Idempotency) -> dict[str, object]:
    return {
        "tenant_id": caller.tenant_id,
        "person_id": caller.person_id,
        "route": idempotency.route,
        "key": idempotency.key,
    }
