"""Runs that wait for their turn: each is begun once, or ended before it began."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.chat_rows import message_of, run_of, runs_of
from adapters.postgres.signals import notify
from adapters.postgres.spending import settle
from adapters.postgres.statements import statement
from adapters.postgres.tables import messages, run_events, runs
from application.chat.ports import SealedEvent, WrittenQuestion
from application.chat.spending import Bill
from domain.chat.run import Run, RunState
from domain.identity import Caller, RunId


async def written_question(
    connection: AsyncConnection, caller: Caller, run_id: RunId
) -> WrittenQuestion:
    """The question of one of the caller's own runs, which is there."""
    row = (await connection.execute(runs_of(caller, run_id))).one()
    question = select(messages).where(
        messages.c.tenant_id == caller.tenant_id, messages.c.id == row.question_id
    )
    message = message_of((await connection.execute(question)).one())
    return WrittenQuestion(message=message, run=run_of(row), sealed_terms=row.sealed_terms)


async def begin_queued(
    connection: AsyncConnection, caller: Caller, run_id: RunId, lease_seconds: float
) -> WrittenQuestion | None:
    values = {
        "tenant": caller.tenant_id,
        "person": caller.person_id,
        "run": run_id,
        "lease_seconds": lease_seconds,
    }
    if not (await connection.execute(statement("begin_queued"), values)).rowcount:
        return None
    return await written_question(connection, caller, run_id)


async def end_queued(
    connection: AsyncConnection,
    caller: Caller,
    run: Run,
    state: RunState,
    event: SealedEvent,
    sealed_answer: bytes,
) -> bool:
    ended = (
        update(runs)
        .where(*_is(caller, run), runs.c.state == RunState.QUEUED)
        .values(state=state, ended_at=func.clock_timestamp(), event_count=event.number)
    )
    if not (await connection.execute(ended)).rowcount:
        return False
    await connection.execute(
        insert(run_events).values(
            tenant_id=caller.tenant_id,
            run_id=run.id,
            number=event.number,
            type=event.type,
            sealed_data=event.sealed,
        )
    )
    await connection.execute(
        update(messages)
        .where(messages.c.tenant_id == caller.tenant_id, messages.c.id == run.answer_id)
        .values(sealed_content=sealed_answer)
    )
    await notify(connection, f"events:{run.id}")
    day = run.created_at.date()
    bill = Bill(caller=caller, run_id=run.id, purpose=run.purpose, day=day)
    await settle(connection, bill, [], currency="")  # it called no model
    return True


def _is(caller: Caller, run: Run) -> tuple[Any, ...]:
    return (
        runs.c.tenant_id == caller.tenant_id,
        runs.c.owner_id == caller.person_id,
        runs.c.id == run.id,
    )
