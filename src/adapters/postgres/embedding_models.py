"""Which embedding model serves each tenant, and the processes that embed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import transaction, translated_outages
from adapters.postgres.statements import statement
from adapters.postgres.tables import embedding_models, embedding_readers
from domain.identity import TenantId
from domain.retrieval.embedding_model import EmbeddingModel, ModelState, in_state

READER_SECONDS = 30.0
"""A process that said nothing for so long is taken for dead."""

WANTED_SECONDS = 3600.0
"""For so long a move waits for a process that wants it, before it is given up for another one."""

LEAVING_SECONDS = 30.0
"""For so long the vectors of a model that left stay: for searches that began before it did."""

_COLUMNS = embedding_models.c
_TENANTS = text("SELECT tenant_id FROM tenants_to_embed(:model)")
_IN_USE = text("SELECT model FROM embedding_models_in_use()")
_FORGOTTEN = text("DELETE FROM embedding_readers WHERE seen_at < now() - interval '1 day'")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresEmbeddingModels:
    """`EmbeddingModels`. `reader_id` is this process's; time is the database's."""

    engine: AsyncEngine
    reader_id: UUID
    reader_seconds: float = READER_SECONDS
    wanted_seconds: float = WANTED_SECONDS
    leaving_seconds: float = LEAVING_SECONDS
    documents_at_once: int = 50

    async def announce(self, model: str, others: Sequence[str]) -> None:
        told: dict[str, Any] = {
            "wanted": model,
            "known": sorted({model, *others}),
            "seen_at": func.clock_timestamp(),
        }
        here = insert(embedding_readers).values(id=self.reader_id, **told)
        with translated_outages():
            async with self.engine.begin() as connection:
                await connection.execute(
                    here.on_conflict_do_update(index_elements=["id"], set_=told)
                )
                await connection.execute(_FORGOTTEN)

    async def withdraw(self) -> None:
        gone = delete(embedding_readers).where(embedding_readers.c.id == self.reader_id)
        with translated_outages():
            async with self.engine.begin() as connection:
                await connection.execute(gone)

    async def tenants(self, model: str) -> Sequence[TenantId]:
        with translated_outages():
            async with self.engine.connect() as connection:
                rows = await connection.execute(_TENANTS, {"model": model})
                return [TenantId(each) for each in rows.scalars()]

    async def in_use(self) -> frozenset[str]:
        """The models that serve or arrive anywhere."""
        with translated_outages():
            async with self.engine.connect() as connection:
                return frozenset((await connection.execute(_IN_USE)).scalars())

    async def of(self, tenant_id: TenantId) -> Sequence[EmbeddingModel]:
        async with transaction(self.engine, tenant_id) as connection:
            return await _models(connection, tenant_id)

    async def arrive(
        self, tenant_id: TenantId, model: str, dimensions: int, *, again: bool = False
    ) -> bool:
        new = insert(embedding_models).values(
            tenant_id=tenant_id, model=model, dimensions=dimensions, state="arriving", served=False
        )
        async with transaction(self.engine, tenant_id) as connection:
            models = await _models(connection, tenant_id, lock=True)
            if in_state(models, ModelState.ARRIVING) is not None:
                return False
            here = next((each for each in models if each.name == model), None)
            if here is None:
                made = await connection.execute(new.on_conflict_do_nothing())
                return made.rowcount == 1
            if not again or here.state is ModelState.SERVING or here.dimensions != dimensions:
                return False
            await _become(connection, tenant_id, model, ModelState.ARRIVING)
        return True

    async def give_up(self, tenant_id: TenantId) -> bool:
        async with transaction(self.engine, tenant_id) as connection:
            arriving = in_state(
                await _models(connection, tenant_id, lock=True), ModelState.ARRIVING
            )
            if arriving is None:
                return False
            wanted = select(embedding_readers.c.id).where(
                embedding_readers.c.wanted == arriving.name,
                embedding_readers.c.seen_at > _before(self.wanted_seconds),
            )
            if (await connection.execute(wanted)).first() is not None:
                return False
            await _become(connection, tenant_id, arriving.name, ModelState.LEAVING)
        return True

    async def swap(self, tenant_id: TenantId, model: str) -> bool:
        values = {"tenant": tenant_id, "model": model, "reader_seconds": self.reader_seconds}
        async with transaction(self.engine, tenant_id) as connection:
            models = await _models(connection, tenant_id, lock=True)
            arriving, serving = (
                in_state(models, state) for state in (ModelState.ARRIVING, ModelState.SERVING)
            )
            if arriving is None or arriving.name != model or serving is None:
                return False
            if not (await connection.execute(statement("swap_models"), values)).scalar_one():
                return False
            await _become(connection, tenant_id, serving.name, ModelState.LEAVING)
            await _become(connection, tenant_id, model, ModelState.SERVING)
        return True

    async def sweep(self, tenant_id: TenantId) -> int:
        leaving = select(_COLUMNS.model, _COLUMNS.served).where(
            _COLUMNS.tenant_id == tenant_id,
            _COLUMNS.state == ModelState.LEAVING,
            _COLUMNS.since < _before(self.leaving_seconds),
        )
        async with transaction(self.engine, tenant_id) as connection:
            row = (await connection.execute(leaving.limit(1).with_for_update())).one_or_none()
            if row is None:
                return 0
            values = {
                "tenant": tenant_id,
                "model": row.model,
                "documents": self.documents_at_once,
            }
            swept = (await connection.execute(statement("sweep_vectors"), values)).scalar_one()
            if swept:
                return int(swept)
            if row.served:
                await _become(connection, tenant_id, row.model, ModelState.LEFT)
            else:
                await connection.execute(
                    delete(embedding_models).where(
                        _COLUMNS.tenant_id == tenant_id, _COLUMNS.model == row.model
                    )
                )
        return 0


async def _models(
    connection: AsyncConnection, tenant_id: TenantId, *, lock: bool = False
) -> Sequence[EmbeddingModel]:
    """With a `lock` those that serve and arrive stay so until the end of the transaction."""
    rows = select(embedding_models).where(_COLUMNS.tenant_id == tenant_id).order_by(_COLUMNS.model)
    found = await connection.execute(rows.with_for_update() if lock else rows)
    return [
        EmbeddingModel(name=row.model, dimensions=row.dimensions, state=ModelState(row.state))
        for row in found
    ]


async def _become(
    connection: AsyncConnection, tenant_id: TenantId, model: str, state: ModelState
) -> None:
    told: dict[str, Any] = {"state": state, "since": func.clock_timestamp()}
    if state is ModelState.SERVING:
        told["served"] = True
    await connection.execute(
        update(embedding_models)
        .where(_COLUMNS.tenant_id == tenant_id, _COLUMNS.model == model)
        .values(**told)
    )


def _before(seconds: float) -> Any:
    return func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, seconds)
