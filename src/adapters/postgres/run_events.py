"""The stored events of runs, and the runs that nobody owns any more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.chat_rows import read_run, required_acr
from adapters.postgres.engine import transaction, translated_outages
from adapters.postgres.signals import notify
from adapters.postgres.tables import messages, run_events, runs
from application.chat.ports import AbandonedRun, RunPage, SealedEvent, WaitingRun
from domain.chat.run import RunState
from domain.identity import Acr, Caller, PersonId, RunId, TenantId

PAGE_EVENTS = 200
PAGE_BYTES = 512 * 1024  # and the event that goes beyond it

_ABANDONED = text("SELECT tenant_id, run_id, owner_id FROM abandoned_runs()")

_WAITING = text("SELECT * FROM waiting_runs()")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresRunEvents:
    """`RunEvents`."""

    engine: AsyncEngine

    async def page(self, caller: Caller, run_id: RunId, *, after: int) -> RunPage | None:
        """The run is read before its events: what was taken back since then is not among them.

        What the run demands of its reader is read with them, for they may have come since then.
        """
        following = (
            select(
                run_events.c.number,
                run_events.c.type,
                run_events.c.sealed_data,
                func.sum(func.octet_length(run_events.c.sealed_data))
                .over(order_by=run_events.c.number)
                .label("bytes"),
            )
            .where(
                run_events.c.tenant_id == caller.tenant_id,
                run_events.c.run_id == run_id,
                run_events.c.number > after,
            )
            .order_by(run_events.c.number)
            .limit(PAGE_EVENTS)
            .subquery()
        )
        before = following.c.bytes - func.octet_length(following.c.sealed_data)
        page = (
            select(following, required_acr(caller, run_id))
            .where(before < PAGE_BYTES)
            .order_by(following.c.number)
        )
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            asked_at = asyncio.get_running_loop().time()
            run = await read_run(connection, caller, run_id)
            if run is None:
                return None
            if run.state is RunState.ACCESS_REVOKED:  # with its events
                return RunPage(run=run, events=(), has_more=False, asked_at=asked_at)
            rows = (await connection.execute(page)).all()
        if rows:
            acr = rows[0].required_acr
            run = replace(run, required_acr=acr and Acr(acr))
        events = [
            SealedEvent(number=row.number, type=row.type, sealed=row.sealed_data) for row in rows
        ]
        has_more = len(rows) == PAGE_EVENTS or (rows != [] and rows[-1].bytes >= PAGE_BYTES)
        return RunPage(run=run, events=events, has_more=has_more, asked_at=asked_at)

    async def abandoned(self) -> Sequence[AbandonedRun]:
        with translated_outages():
            async with self.engine.connect() as connection:
                rows = (await connection.execute(_ABANDONED)).all()
        return [
            AbandonedRun(
                caller=Caller(tenant_id=TenantId(row.tenant_id), person_id=PersonId(row.owner_id)),
                run_id=RunId(row.run_id),
            )
            for row in rows
        ]

    async def waiting(self) -> Sequence[WaitingRun]:
        with translated_outages():
            async with self.engine.connect() as connection:
                rows = (await connection.execute(_WAITING)).all()
        return [
            WaitingRun(
                caller=Caller(tenant_id=TenantId(row.tenant_id), person_id=PersonId(row.owner_id)),
                run_id=RunId(row.run_id),
                is_cancelled=row.is_cancelled,
                is_late=row.is_late,
            )
            for row in rows
        ]

    async def end_abandoned(
        self, caller: Caller, run_id: RunId, event: SealedEvent, sealed_answer: bytes
    ) -> bool:
        this = (runs.c.tenant_id == caller.tenant_id, runs.c.id == run_id)
        lost = (
            select(runs.c.answer_id)
            .where(
                *this,
                runs.c.state == RunState.RUNNING,
                runs.c.lease_expires_at < func.clock_timestamp(),
            )
            .with_for_update(skip_locked=True)
        )
        last = select(func.coalesce(func.max(run_events.c.number), 0)).where(
            run_events.c.tenant_id == caller.tenant_id, run_events.c.run_id == run_id
        )
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            answer_id = (await connection.execute(lost)).scalar_one_or_none()
            if answer_id is None:
                return False
            if (await connection.execute(last)).scalar_one() != event.number - 1:
                return False
            await connection.execute(
                insert(run_events).values(
                    tenant_id=caller.tenant_id,
                    run_id=run_id,
                    number=event.number,
                    type=event.type,
                    sealed_data=event.sealed,
                )
            )
            await connection.execute(
                update(runs)
                .where(*this)
                .values(
                    state=RunState.FAILED,
                    event_count=event.number,
                    ended_at=func.clock_timestamp(),
                )
            )
            await connection.execute(
                update(messages)
                .where(messages.c.tenant_id == caller.tenant_id, messages.c.id == answer_id)
                .values(sealed_content=sealed_answer)
            )
            await notify(connection, f"run:{run_id}")
            await notify(connection, f"events:{run_id}")
        return True
