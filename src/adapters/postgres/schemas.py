"""Schemas of records, and their versions."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import present_time, transaction
from adapters.postgres.tables import schema_versions, schemas
from domain.errors import PreconditionFailed
from domain.identity import Caller, PersonId
from domain.vault.schema import Schema, SchemaRef


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSchemas:
    """`Schemas`."""

    engine: AsyncEngine

    @asynccontextmanager
    async def begin(self, caller: Caller) -> AsyncIterator[PostgresSchemaTransaction]:
        async with transaction(self.engine, caller.tenant_id) as connection:
            yield PostgresSchemaTransaction(connection=connection, caller=caller)

    async def find(self, caller: Caller, name: str, *, version: int | None = None) -> Schema | None:
        one = _versions(caller, version).where(schemas.c.name == name)
        async with transaction(self.engine, caller.tenant_id) as connection:
            row = (await connection.execute(one)).one_or_none()
        return None if row is None else _schema_of(row)

    async def page(self, caller: Caller, *, after: str | None, limit: int) -> Sequence[Schema]:
        newest = _versions(caller, None).order_by(schemas.c.name).limit(limit)
        if after is not None:
            newest = newest.where(schemas.c.name > after)
        async with transaction(self.engine, caller.tenant_id) as connection:
            return [_schema_of(row) for row in await connection.execute(newest)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSchemaTransaction:
    """`SchemaTransaction` on one open transaction."""

    connection: AsyncConnection
    caller: Caller

    async def now(self) -> datetime:
        return await present_time(self.connection)

    async def newest(self, name: str) -> Schema | None:
        held = select(schemas.c.name).where(self._is(name)).with_for_update()
        await self.connection.execute(held)  # then looked at: it may have moved on meanwhile
        one = _versions(self.caller, None).where(schemas.c.name == name)
        row = (await self.connection.execute(one)).one_or_none()
        return None if row is None else _schema_of(row)

    async def add(self, schema: Schema) -> None:
        ref = schema.ref
        if ref.version == 1:
            made = await self.connection.execute(
                upsert(schemas)
                .values(
                    tenant_id=self.caller.tenant_id,
                    name=ref.name,
                    owner_id=schema.owner_id,
                    current_version=1,
                )
                .on_conflict_do_nothing()
            )
            if made.rowcount == 0:
                raise PreconditionFailed
        else:
            await self.connection.execute(
                update(schemas).where(self._is(ref.name)).values(current_version=ref.version)
            )
        await self.connection.execute(
            insert(schema_versions).values(
                tenant_id=self.caller.tenant_id,
                name=ref.name,
                version=ref.version,
                body=json.dumps(dict(schema.body), ensure_ascii=False),
                created_at=schema.created_at,
            )
        )

    def _is(self, name: str) -> Any:
        return and_(schemas.c.tenant_id == self.caller.tenant_id, schemas.c.name == name)


def _versions(caller: Caller, version: int | None) -> Select[Any]:
    """Schemas with one version of each: this one, or the newest."""
    wanted = schemas.c.current_version if version is None else version
    its = and_(
        schema_versions.c.tenant_id == schemas.c.tenant_id,
        schema_versions.c.name == schemas.c.name,
        schema_versions.c.version == wanted,
    )
    return (
        select(schemas.c.owner_id, schema_versions)
        .join(schema_versions, its)
        .where(schemas.c.tenant_id == caller.tenant_id)
    )


def _schema_of(row: Any) -> Schema:
    return Schema(
        ref=SchemaRef(name=row.name, version=row.version),
        owner_id=PersonId(row.owner_id),
        body=json.loads(row.body),
        created_at=row.created_at,
    )
