"""Endings: written by triggers, read across tenants by the keykeeper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, insert, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import transaction, translated_outages
from adapters.postgres.tables import (
    client_secrets,
    endings,
    grant_tokens,
    service_clients,
    share_links,
)
from application.audit.endings import FoundEndings
from domain.audit.ending import Ending, EndingKind
from domain.identity import PersonId, TenantId

# Both of one snapshot: what was still running in it is found by the next look.
_SINCE = text("""
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS oldest, e.*
    FROM (VALUES (1)) AS one LEFT JOIN endings_since(:since) e ON true
    ORDER BY e.at, e.id
""")
_SESSIONS = text("SELECT end_every_session()")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresEndings:
    """`Endings`, on connections of the keykeeper's role."""

    engine: AsyncEngine

    async def since(self, position: int) -> FoundEndings:
        with translated_outages():
            async with self.engine.begin() as connection:
                rows = (await connection.execute(_SINCE, {"since": str(position)})).all()
        return FoundEndings(
            endings=[_ending_of(row) for row in rows if row.id is not None],
            position=int(rows[0].oldest),
        )

    async def add(self, ending: Ending) -> None:
        """It was replayed: the fence need not miss it any more."""
        async with transaction(self.engine, ending.tenant_id) as connection:
            await connection.execute(
                insert(endings).values(
                    tenant_id=ending.tenant_id,
                    id=ending.id,
                    kind=ending.kind,
                    what=ending.what,
                    by_id=ending.by,
                    detail=ending.detail,
                    at=ending.at,
                )
            )

    async def end_every_session(self) -> int:
        with translated_outages():
            async with self.engine.begin() as connection:
                ended: int = (await connection.execute(_SESSIONS)).scalar_one()
        return ended


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSpentTokens:
    """Ends again what has no use case of its own, on connections of the application's role."""

    engine: AsyncEngine

    async def end(self, ending: Ending) -> None:
        """A token, a service client, a secret of one, or a redemption of a link. What is not there
        needs no end."""
        tenant_id = ending.tenant_id
        again: Any
        if ending.kind is EndingKind.CLIENT:
            again = (
                update(service_clients)
                .where(
                    service_clients.c.tenant_id == tenant_id,
                    service_clients.c.id == ending.what,
                    service_clients.c.revoked_at.is_(None),
                )
                .values(revoked_at=func.clock_timestamp())
            )
        elif ending.kind is EndingKind.CLIENT_SECRET:
            again = delete(client_secrets).where(
                client_secrets.c.tenant_id == tenant_id,
                client_secrets.c.secret_hash == bytes.fromhex(ending.what),
            )
        elif ending.kind is EndingKind.TOKEN:
            again = (
                update(grant_tokens)
                .where(
                    grant_tokens.c.tenant_id == tenant_id,
                    grant_tokens.c.token_hash == bytes.fromhex(ending.what),
                    grant_tokens.c.revoked_at.is_(None),
                )
                .values(revoked_at=func.clock_timestamp())
            )
        else:
            left = int(ending.detail or 0)
            again = (
                update(share_links)
                .where(share_links.c.tenant_id == tenant_id, share_links.c.id == ending.what)
                .values(redemptions_left=func.least(share_links.c.redemptions_left, left))
            )
        async with transaction(self.engine, tenant_id) as connection:
            await connection.execute(again)


def _ending_of(row: Any) -> Ending:
    return Ending(
        id=row.id,
        tenant_id=TenantId(row.tenant_id),
        kind=EndingKind(row.kind),
        what=row.what,
        by=None if row.by_id is None else PersonId(row.by_id),
        detail=row.detail,
        at=row.at,
    )
