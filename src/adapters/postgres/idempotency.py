"""Requests that take effect once: the claim and the effect are one transaction."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.tables import idempotency_keys as claims
from application.ports import Idempotency
from domain.errors import KeyReused
from domain.identity import Caller


async def claim(
    connection: AsyncConnection, caller: Caller, idempotency: Idempotency | None, resource: UUID
) -> UUID:
    """The resource that this request is about: `resource`, or the one an earlier try made.

    Two tries at once are put in order by the unique key: the second waits for the first to
    commit and then finds its resource. Raises KeyReused when the key came with another request.
    """
    if idempotency is None:
        return resource
    identity = _identity(caller, idempotency)
    inserted = await connection.execute(
        upsert(claims)
        .values(**identity, request_hash=idempotency.request_hash, resource_id=resource)
        .on_conflict_do_nothing()
    )
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


def _identity(caller: Caller, idempotency: Idempotency) -> dict[str, object]:
    return {
        "tenant_id": caller.tenant_id,
        "person_id": caller.person_id,
        "route": idempotency.route,
        "key": idempotency.key,
    }
