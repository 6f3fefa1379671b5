"""The models that tenants have chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.audit_events import record_event
from adapters.postgres.engine import transaction
from adapters.postgres.evidence import PostgresEvidence
from adapters.postgres.tables import model_chains
from application.ports import NewId
from domain.chat.model_choice import ModelTask
from domain.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresModelChoices:
    """`ModelChoices`."""

    engine: AsyncEngine
    evidence: PostgresEvidence
    new_id: NewId

    async def find(self, caller: Caller, task: ModelTask) -> Sequence[str] | None:
        chosen = select(model_chains.c.models).where(
            model_chains.c.tenant_id == caller.tenant_id, model_chains.c.task == task
        )
        async with transaction(self.engine, caller.tenant_id) as connection:
            models: Sequence[str] | None = (await connection.execute(chosen)).scalar_one_or_none()
        return models

    async def put(self, caller: Caller, task: ModelTask, models: Sequence[str] | None) -> None:
        sealing = await self.evidence.sealing(caller)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            if models is None:
                change = delete(model_chains).where(
                    model_chains.c.tenant_id == caller.tenant_id, model_chains.c.task == task
                )
                if (await connection.execute(change)).rowcount == 0:
                    return
            else:
                entry = upsert(model_chains).values(
                    tenant_id=caller.tenant_id, task=task, models=list(models)
                )
                await connection.execute(
                    entry.on_conflict_do_update(
                        index_elements=["tenant_id", "task"], set_={"models": list(models)}
                    )
                )
            await record_event(
                connection,
                caller,
                sealing,
                event_id=self.new_id(),
                type="models_chosen",
                at=None,
                body={"task": task, "models": None if models is None else list(models)},
            )
