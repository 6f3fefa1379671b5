"""Sessions and the refresh tokens of their families, kept as hashes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import present_time, transaction
from adapters.postgres.tables import people, refresh_tokens, sessions
from application.accounts.ports import Authenticated, PresentedToken
from application.ports import NewToken
from domain.accounts.session import RefreshToken, Session, SessionEnd
from domain.identity import Acr, Caller, PersonId, Role, SessionId, TenantId

_SWEEP = text("SELECT sweep_sessions()")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSessions:
    """`Sessions`."""

    engine: AsyncEngine

    @asynccontextmanager
    async def begin(self, tenant_id: TenantId) -> AsyncIterator[PostgresSessionsTransaction]:
        async with transaction(self.engine, tenant_id) as connection:
            yield PostgresSessionsTransaction(connection=connection, tenant_id=tenant_id)

    async def sweep(self) -> int:
        async with self.engine.begin() as connection:
            return int((await connection.execute(_SWEEP)).scalar_one())


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSessionsTransaction:
    """`SessionsTransaction` on one open transaction."""

    connection: AsyncConnection
    tenant_id: TenantId

    async def now(self) -> datetime:
        return await present_time(self.connection)

    async def open(self, session: Session, token: NewToken, expires_at: datetime) -> None:
        await self.connection.execute(
            insert(sessions).values(
                tenant_id=self.tenant_id,
                id=session.id,
                person_id=session.person_id,
                created_at=session.auth_time,
                acr=session.acr,
                auth_time=session.auth_time,
            )
        )
        await self._keep(session.id, token, expires_at)

    async def present(self, token_hash: bytes) -> PresentedToken | None:
        one = (
            select(
                refresh_tokens.c.session_id,
                refresh_tokens.c.expires_at,
                refresh_tokens.c.used_at,
                sessions.c.ended_at,
                sessions.c.acr,
                sessions.c.auth_time,
                people.c.id.label("person_id"),
                people.c.role,
            )
            .join(
                sessions,
                and_(
                    sessions.c.tenant_id == refresh_tokens.c.tenant_id,
                    sessions.c.id == refresh_tokens.c.session_id,
                ),
            )
            .join(
                people,
                and_(
                    people.c.tenant_id == sessions.c.tenant_id, people.c.id == sessions.c.person_id
                ),
            )
            .where(
                refresh_tokens.c.tenant_id == self.tenant_id,
                refresh_tokens.c.token_hash == token_hash,
            )
            # Both: whoever waited sees what the winner wrote only in the rows that it locks.
            .with_for_update(of=[refresh_tokens, sessions])
        )
        row = (await self.connection.execute(one)).one_or_none()
        if row is None:
            return None
        token = RefreshToken(
            session_id=SessionId(row.session_id),
            expires_at=row.expires_at,
            used_at=row.used_at,
            session_ended_at=row.ended_at,
        )
        return PresentedToken(token=token, authenticated=self._authenticated(row))

    async def rotate(
        self, used_hash: bytes, used_at: datetime, new: NewToken, expires_at: datetime
    ) -> None:
        used = await self.connection.execute(
            update(refresh_tokens)
            .where(
                refresh_tokens.c.tenant_id == self.tenant_id,
                refresh_tokens.c.token_hash == used_hash,
            )
            .values(used_at=used_at)
            .returning(refresh_tokens.c.session_id)
        )
        await self._keep(SessionId(used.scalar_one()), new, expires_at)

    async def step_up(self, caller: Caller, session_id: SessionId) -> Authenticated | None:
        raised = await self.connection.execute(
            update(sessions)
            .where(
                sessions.c.tenant_id == self.tenant_id,
                sessions.c.id == session_id,
                sessions.c.person_id == caller.person_id,
                sessions.c.ended_at.is_(None),
                people.c.tenant_id == sessions.c.tenant_id,
                people.c.id == sessions.c.person_id,
            )
            .values(acr=Acr.MFA, auth_time=func.clock_timestamp())
            .returning(
                sessions.c.id.label("session_id"),
                sessions.c.acr,
                sessions.c.auth_time,
                sessions.c.person_id,
                people.c.role,
            )
        )
        row = raised.one_or_none()
        return None if row is None else self._authenticated(row)

    async def is_open(self, session_id: SessionId) -> bool:
        one = select(sessions.c.id).where(
            sessions.c.tenant_id == self.tenant_id,
            sessions.c.id == session_id,
            sessions.c.ended_at.is_(None),
        )
        return (await self.connection.execute(one)).one_or_none() is not None

    async def end(self, session_id: SessionId, reason: SessionEnd) -> None:
        await self.connection.execute(
            update(sessions)
            .where(
                sessions.c.tenant_id == self.tenant_id,
                sessions.c.id == session_id,
                sessions.c.ended_at.is_(None),
            )
            .values(ended_at=func.clock_timestamp(), end_reason=reason)
        )

    async def _keep(self, session_id: SessionId, token: NewToken, expires_at: datetime) -> None:
        await self.connection.execute(
            insert(refresh_tokens).values(
                tenant_id=self.tenant_id,
                token_hash=token.hash,
                session_id=session_id,
                expires_at=expires_at,
            )
        )

    def _authenticated(self, row: Any) -> Authenticated:
        caller = Caller(
            tenant_id=self.tenant_id,
            person_id=PersonId(row.person_id),
            role=Role(row.role),
            acr=Acr(row.acr),
        )
        return Authenticated(
            caller=caller, session_id=SessionId(row.session_id), auth_time=row.auth_time
        )
