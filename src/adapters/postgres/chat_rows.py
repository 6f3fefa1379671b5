"""Rows of the chat's tables, as conversations, messages and runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Label, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.tables import grants, messages, run_sources, runs
from domain.chat.conversation import Conversation
from domain.chat.message import Keeping, Kept, Message, MessageRole
from domain.chat.run import Run, RunState, Withdrawal
from domain.identity import (
    Acr,
    Caller,
    ConversationId,
    GrantId,
    LawfulBasis,
    MessageId,
    PersonId,
    Purpose,
    RunId,
)

KEPT = (
    messages.c.kept_at,
    messages.c.kept_basis,
    messages.c.kept_reference,
    messages.c.kept_before,
)


def required_acr(caller: Caller, run_id: Any) -> Label[Any]:
    """What the grants that an answer rests on demand of its reader; NULL: nothing.

    Which answer, a run's id tells or a column of such. What is read in one statement with this
    rests on nothing else: sources are committed before a word of them is written.
    """
    source = and_(
        run_sources.c.tenant_id == grants.c.tenant_id, run_sources.c.grant_id == grants.c.id
    )
    demanded = select(func.max(grants.c.required_acr)).join(run_sources, source)
    of_run = demanded.where(
        run_sources.c.tenant_id == caller.tenant_id, run_sources.c.run_id == run_id
    )
    return of_run.scalar_subquery().label("required_acr")


async def read_run(connection: AsyncConnection, caller: Caller, run_id: RunId) -> Run | None:
    """The caller's own run; where its answer was taken back, with the grants that ended."""
    row = (await connection.execute(runs_of(caller, run_id))).one_or_none()
    if row is None:
        return None
    if row.state != RunState.ACCESS_REVOKED:
        return run_of(row)
    ended = (
        select(grants.c.id)
        .distinct()
        .join(
            run_sources,
            and_(
                run_sources.c.tenant_id == grants.c.tenant_id,
                run_sources.c.grant_id == grants.c.id,
            ),
        )
        .where(
            run_sources.c.tenant_id == caller.tenant_id,
            run_sources.c.run_id == run_id,
            or_(
                grants.c.revoked_at.is_not(None),
                grants.c.expires_at <= func.clock_timestamp(),
            ),
        )
        .order_by(grants.c.id)
    )
    return run_of(row, (await connection.execute(ended)).scalars().all())


def runs_of(caller: Caller, run_id: RunId) -> Select[Any]:
    answer = and_(messages.c.tenant_id == runs.c.tenant_id, messages.c.id == runs.c.answer_id)
    return (
        select(runs, messages.c.tombstone, *KEPT, required_acr(caller, runs.c.id))
        .join(messages, answer)
        .where(
            runs.c.tenant_id == caller.tenant_id,
            runs.c.owner_id == caller.person_id,
            runs.c.id == run_id,
        )
    )


def run_of(row: Any, ended_grants: Any = ()) -> Run:
    state = RunState(row.state)
    withdrawal = None
    if state is RunState.ACCESS_REVOKED:
        reason = row.tombstone or "access_revoked"
        withdrawal = Withdrawal(reason=reason, grants=[GrantId(each) for each in ended_grants])
    return Run(
        id=RunId(row.id),
        conversation_id=ConversationId(row.conversation_id),
        owner_id=PersonId(row.owner_id),
        question_id=MessageId(row.question_id),
        answer_id=MessageId(row.answer_id),
        purpose=Purpose(row.purpose),
        model=row.model,
        prompt_version=row.prompt_version,
        state=state,
        cancel_requested=row.cancel_requested_at is not None,
        created_at=row.created_at,
        ended_at=row.ended_at,
        withdrawal=withdrawal,
        kept=_kept(row),
        required_acr=row.required_acr and Acr(row.required_acr),
    )


def message_of(row: Any) -> Message:
    run_id = getattr(row, "run_id", None)
    acr = getattr(row, "required_acr", None)
    return Message(
        id=MessageId(row.id),
        conversation_id=ConversationId(row.conversation_id),
        sequence=row.sequence,
        parent_id=None if row.parent_id is None else MessageId(row.parent_id),
        role=MessageRole(row.role),
        sealed_content=row.sealed_content,
        tombstone=row.tombstone,
        created_at=row.created_at,
        run_id=None if run_id is None else RunId(run_id),
        kept=_kept(row),
        required_acr=acr and Acr(acr),
    )


def _kept(row: Any) -> Kept | None:
    if row.kept_at is None or row.tombstone is not None:
        return None
    return Kept(
        lawful_basis=LawfulBasis(row.kept_basis),
        reference=row.kept_reference,
        since=row.kept_at,
        earlier=[
            Keeping(
                lawful_basis=LawfulBasis(each["lawful_basis"]),
                reference=each["reference"],
                since=datetime.fromisoformat(each["since"]),
            )
            for each in row.kept_before or ()
        ],
    )


def conversation_of(row: Any) -> Conversation:
    head_id = getattr(row, "head_id", None)
    return Conversation(
        id=ConversationId(row.id),
        owner_id=PersonId(row.owner_id),
        sealed_title=row.sealed_title,
        message_count=row.message_count,
        created_at=row.created_at,
        head_id=None if head_id is None else MessageId(head_id),
    )
