"""One-time codes that people set up, and what was used of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import present_time, transaction
from adapters.postgres.keys import KeyKind, PostgresKeys
from adapters.postgres.tables import data_keys, recovery_codes, totp
from application.ports import DataKey
from domain.accounts.totp import Totp, TotpAlreadyEnrolled
from domain.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSecondFactors:
    """`SecondFactors`."""

    engine: AsyncEngine
    keys: PostgresKeys

    async def find(self, caller: Caller) -> Totp | None:
        left = (
            select(func.count())
            .where(
                recovery_codes.c.tenant_id == totp.c.tenant_id,
                recovery_codes.c.person_id == totp.c.person_id,
                recovery_codes.c.used_at.is_(None),
            )
            .scalar_subquery()
        )
        one = select(
            totp.c.id, totp.c.sealed_secret, totp.c.confirmed_at, left.label("recovery_codes_left")
        ).where(totp.c.tenant_id == caller.tenant_id, totp.c.person_id == caller.person_id)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            row = (await connection.execute(one)).one_or_none()
        return None if row is None else Totp(**row._mapping)

    @asynccontextmanager
    async def begin(self, caller: Caller) -> AsyncIterator[PostgresSecondFactorsTransaction]:
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            yield PostgresSecondFactorsTransaction(
                connection=connection, caller=caller, keys=self.keys
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSecondFactorsTransaction:
    """`SecondFactorsTransaction` on one open transaction."""

    connection: AsyncConnection
    caller: Caller
    keys: PostgresKeys

    async def now(self) -> datetime:
        return await present_time(self.connection)

    async def propose(self, proposed: Totp, key: DataKey) -> None:
        pending = {
            "id": proposed.id,
            "sealed_secret": proposed.sealed_secret,
            "created_at": func.clock_timestamp(),
        }
        kept = await self.connection.execute(
            upsert(totp)
            .values(tenant_id=self.caller.tenant_id, person_id=self.caller.person_id, **pending)
            .on_conflict_do_update(
                index_elements=[totp.c.tenant_id, totp.c.person_id],
                set_=pending,
                where=totp.c.confirmed_at.is_(None),
            )
        )
        if kept.rowcount == 0:
            raise TotpAlreadyEnrolled
        await self._forget_keys()
        await self.keys.keep(self.connection, self.caller, KeyKind.TOTP, proposed.id, key)

    async def confirm(self, pending: Totp, step: int, recovery_hashes: Sequence[bytes]) -> bool:
        confirmed = await self.connection.execute(
            update(totp)
            .where(self._is(pending), totp.c.confirmed_at.is_(None))
            .values(confirmed_at=func.clock_timestamp(), last_step=step)
        )
        if confirmed.rowcount == 0:
            return False
        rows = [
            {
                "tenant_id": self.caller.tenant_id,
                "person_id": self.caller.person_id,
                "code_hash": each,
            }
            for each in recovery_hashes
        ]
        await self.connection.execute(insert(recovery_codes), rows)
        return True

    async def spend_step(self, enrolled: Totp, step: int) -> bool:
        # Every condition in one statement: of those who race, the others find the step taken.
        spent = await self.connection.execute(
            update(totp)
            .where(self._is(enrolled), totp.c.confirmed_at.is_not(None), totp.c.last_step < step)
            .values(last_step=step)
        )
        return spent.rowcount == 1

    async def spend_recovery_code(self, enrolled: Totp, code_hash: bytes) -> bool:
        spent = await self.connection.execute(
            update(recovery_codes)
            .where(
                recovery_codes.c.tenant_id == self.caller.tenant_id,
                recovery_codes.c.person_id == self.caller.person_id,
                recovery_codes.c.code_hash == code_hash,
                recovery_codes.c.used_at.is_(None),
                select(totp.c.id).where(self._is(enrolled)).exists(),
            )
            .values(used_at=func.clock_timestamp())
        )
        return spent.rowcount == 1

    async def remove(self, enrolled: Totp) -> None:
        removed = await self.connection.execute(delete(totp).where(self._is(enrolled)))
        if removed.rowcount:
            await self._forget_keys()

    async def _forget_keys(self) -> None:
        await self.connection.execute(
            delete(data_keys).where(
                data_keys.c.tenant_id == self.caller.tenant_id,
                data_keys.c.owner_id == self.caller.person_id,
                data_keys.c.kind == KeyKind.TOTP,
            )
        )

    def _is(self, one: Totp) -> Any:
        return and_(
            totp.c.tenant_id == self.caller.tenant_id,
            totp.c.person_id == self.caller.person_id,
            totp.c.id == one.id,
        )
