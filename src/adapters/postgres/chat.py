"""Conversations, messages and runs, of their owner only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.branches import HEAD, branch_messages, branches_of, last_under
from adapters.postgres.chat_rows import conversation_of, message_of, read_run, required_acr
from adapters.postgres.engine import present_time, transaction
from adapters.postgres.idempotency import claim, claimed, named
from adapters.postgres.keys import KeyKind, PostgresKeys
from adapters.postgres.queued_runs import begin_queued, end_queued, written_question
from adapters.postgres.signals import notify
from adapters.postgres.spending import reserve
from adapters.postgres.statements import statement
from adapters.postgres.tables import conversations, messages, run_events, runs
from application.chat.ports import Earlier, EarlierMessage, SealedEvent, WrittenQuestion
from application.chat.spending import Bill
from application.ports import DataKey, Idempotency
from domain.chat.branch import Branch
from domain.chat.budget import Amount, Budgets, Spender
from domain.chat.conversation import Conversation
from domain.chat.message import Message, MessageRole
from domain.chat.run import Run, RunState
from domain.identity import Caller, ConversationId, MessageId, Purpose, RunId

EARLIER_MESSAGES_MAX = 40
EARLIER_STEPS_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresChats:
    """`Chats`."""

    engine: AsyncEngine
    keys: PostgresKeys

    @asynccontextmanager
    async def begin(self, caller: Caller) -> AsyncIterator[PostgresChatTransaction]:
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            yield PostgresChatTransaction(
                connection=connection,
                caller=caller,
                keys=self.keys,
            )

    async def conversation(
        self, caller: Caller, conversation_id: ConversationId
    ) -> Conversation | None:
        async with self.begin(caller) as tx:
            return await tx.conversation(conversation_id)

    async def conversations(
        self, caller: Caller, *, after: ConversationId | None, limit: int
    ) -> Sequence[Conversation]:
        page = (
            select(conversations, HEAD.label("head_id"))
            .where(
                conversations.c.tenant_id == caller.tenant_id,
                conversations.c.owner_id == caller.person_id,
            )
            .order_by(conversations.c.id)
            .limit(limit)
        )
        if after is not None:
            page = page.where(conversations.c.id > after)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            return [conversation_of(row) for row in await connection.execute(page)]

    async def messages(
        self,
        caller: Caller,
        conversation_id: ConversationId,
        *,
        branch: MessageId | None,
        after: int,
        limit: int,
    ) -> Sequence[Message]:
        if branch is not None:
            async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
                return await branch_messages(
                    connection, caller, conversation_id, branch, after=after, limit=limit
                )
        theirs = exists().where(_is(caller, conversation_id))
        answered = and_(runs.c.tenant_id == messages.c.tenant_id, runs.c.answer_id == messages.c.id)
        page = (
            select(messages, runs.c.id.label("run_id"), required_acr(caller, runs.c.id))
            .join(runs, answered, isouter=True)
            .where(
                messages.c.tenant_id == caller.tenant_id,
                messages.c.conversation_id == conversation_id,
                messages.c.sequence > after,
                theirs,
            )
            .order_by(messages.c.sequence)
            .limit(limit)
        )
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            return [message_of(row) for row in await connection.execute(page)]

    async def earlier(self, caller: Caller, question: Message, purpose: Purpose) -> Earlier:
        values = {
            "tenant": caller.tenant_id,
            "conversation": question.conversation_id,
            "parent": question.parent_id,
            "purpose": purpose,
            "acr": caller.acr,
            "messages_max": EARLIER_MESSAGES_MAX,
            "steps_max": EARLIER_STEPS_MAX,
        }
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            rows = (await connection.execute(statement("earlier_messages"), values)).all()
        messages = [
            EarlierMessage(
                id=MessageId(row.id), role=MessageRole(row.role), sealed_content=row.sealed_content
            )
            for row in rows
            if row.id is not None
        ]
        return Earlier(messages=messages, count=rows[0].messages)

    async def branches(
        self, caller: Caller, conversation_id: ConversationId, *, after: int, limit: int
    ) -> Sequence[Branch]:
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            return await branches_of(connection, caller, conversation_id, after=after, limit=limit)

    async def run(self, caller: Caller, run_id: RunId) -> Run | None:
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            return await read_run(connection, caller, run_id)

    async def active_run(self, caller: Caller, conversation_id: ConversationId) -> Run | None:
        active = select(runs.c.id).where(
            runs.c.tenant_id == caller.tenant_id,
            runs.c.owner_id == caller.person_id,
            runs.c.conversation_id == conversation_id,
            runs.c.state == RunState.RUNNING,
        )
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            found = (await connection.execute(active)).scalar_one_or_none()
            return None if found is None else await read_run(connection, caller, RunId(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresChatTransaction:
    """`ChatTransaction` on one open transaction."""

    connection: AsyncConnection
    caller: Caller
    keys: PostgresKeys

    async def now(self) -> datetime:
        return await present_time(self.connection)

    async def claim(self, idempotency: Idempotency | None, resource: UUID) -> UUID:
        return await claim(self.connection, self.caller, idempotency, resource)

    async def claimed(self, idempotency: Idempotency) -> UUID | None:
        return await claimed(self.connection, self.caller, idempotency)

    async def named(self, route: str, key: str) -> UUID | None:
        return await named(self.connection, self.caller, route, key)

    async def add_conversation(self, conversation: Conversation, key: DataKey) -> None:
        await self.connection.execute(
            insert(conversations).values(
                tenant_id=self.caller.tenant_id,
                id=conversation.id,
                owner_id=self.caller.person_id,
                sealed_title=conversation.sealed_title,
                created_at=conversation.created_at,
            )
        )
        await self.keys.keep(
            self.connection, self.caller, KeyKind.CONVERSATION, conversation.id, key
        )

    async def conversation(
        self, conversation_id: ConversationId, *, lock: bool = False
    ) -> Conversation | None:
        # Not the head of one that is locked: it would be that of before the lock.
        columns = [conversations] if lock else [conversations, HEAD.label("head_id")]
        one = select(*columns).where(_is(self.caller, conversation_id))
        if lock:
            one = one.with_for_update()
        row = (await self.connection.execute(one)).one_or_none()
        return None if row is None else conversation_of(row)

    async def unfinished_runs(self, conversation_id: ConversationId) -> int:
        unfinished = select(func.count()).where(
            runs.c.tenant_id == self.caller.tenant_id,
            runs.c.conversation_id == conversation_id,
            runs.c.state.in_([RunState.QUEUED, RunState.RUNNING]),
        )
        return int((await self.connection.execute(unfinished)).scalar_one())

    async def head(self, conversation_id: ConversationId) -> MessageId | None:
        head = select(HEAD).where(_is(self.caller, conversation_id))
        found: MessageId | None = (await self.connection.execute(head)).scalar_one_or_none()
        return found

    async def message(
        self, conversation_id: ConversationId, message_id: MessageId
    ) -> Message | None:
        one = select(messages).where(
            messages.c.tenant_id == self.caller.tenant_id,
            messages.c.conversation_id == conversation_id,
            messages.c.id == message_id,
            exists().where(_is(self.caller, conversation_id)),
        )
        row = (await self.connection.execute(one)).one_or_none()
        return None if row is None else message_of(row)

    async def last_under(
        self, conversation_id: ConversationId, message_id: MessageId
    ) -> MessageId | None:
        return await last_under(self.connection, self.caller, conversation_id, message_id)

    async def select(self, conversation_id: ConversationId, message_id: MessageId) -> None:
        await self.connection.execute(
            update(conversations)
            .where(_is(self.caller, conversation_id))
            .values(selected_id=message_id)
        )

    async def ask(
        self,
        added: Sequence[Message],
        run: Run,
        *,
        sealed_terms: bytes,
        lease_seconds: float,
        events: Sequence[SealedEvent],
    ) -> None:
        tenant = {"tenant_id": self.caller.tenant_id}
        for message in added:  # in this order: the answer refers to its question
            await self.connection.execute(
                insert(messages).values(
                    **tenant,
                    conversation_id=message.conversation_id,
                    sequence=message.sequence,
                    id=message.id,
                    parent_id=message.parent_id,
                    role=message.role,
                    sealed_content=message.sealed_content,
                    created_at=message.created_at,
                )
            )
        await self.connection.execute(
            update(conversations)
            .where(_is(self.caller, run.conversation_id))
            .values(message_count=added[-1].sequence, selected_id=None)
        )
        await self.connection.execute(
            insert(runs).values(
                **tenant,
                id=run.id,
                conversation_id=run.conversation_id,
                owner_id=run.owner_id,
                question_id=run.question_id,
                answer_id=run.answer_id,
                purpose=run.purpose,
                model=run.model,
                prompt_version=run.prompt_version,
                state=run.state,
                event_count=len(events),
                created_at=run.created_at,
                sealed_terms=sealed_terms,
                lease_expires_at=func.clock_timestamp()
                + func.make_interval(0, 0, 0, 0, 0, 0, lease_seconds),
            )
        )
        for event in events:
            await self.connection.execute(
                insert(run_events).values(
                    **tenant,
                    run_id=run.id,
                    number=event.number,
                    type=event.type,
                    sealed_data=event.sealed,
                )
            )

    async def reserve(
        self, bill: Bill, model: str, amount: Amount, budgets: Budgets
    ) -> Spender | None:
        return await reserve(self.connection, bill, model, amount, budgets)

    async def asked(self, run_id: RunId) -> tuple[Message, Run]:
        written = await written_question(self.connection, self.caller, run_id)
        return written.message, written.run

    async def last_asked(
        self, conversation_id: ConversationId, message_id: MessageId
    ) -> WrittenQuestion | None:
        of_it = (
            select(runs.c.id)
            .where(
                runs.c.tenant_id == self.caller.tenant_id,
                runs.c.owner_id == self.caller.person_id,
                runs.c.conversation_id == conversation_id,
                runs.c.question_id.in_(
                    select(
                        case(
                            (messages.c.role == MessageRole.USER, messages.c.id),
                            else_=messages.c.parent_id,
                        )
                    ).where(
                        messages.c.tenant_id == self.caller.tenant_id,
                        messages.c.conversation_id == conversation_id,
                        messages.c.id == message_id,
                    )
                ),
            )
            .order_by(runs.c.created_at.desc(), runs.c.id.desc())
            .limit(1)
        )
        found = (await self.connection.execute(of_it)).scalar_one_or_none()
        if found is None:
            return None
        return await written_question(self.connection, self.caller, RunId(found))

    async def begin_queued(self, run_id: RunId, *, lease_seconds: float) -> WrittenQuestion | None:
        return await begin_queued(self.connection, self.caller, run_id, lease_seconds)

    async def end_queued(
        self, run: Run, state: RunState, event: SealedEvent, sealed_answer: bytes
    ) -> bool:
        return await end_queued(self.connection, self.caller, run, state, event, sealed_answer)

    async def request_cancel(self, run_id: RunId) -> Run | None:
        asked = (
            update(runs)
            .where(
                runs.c.tenant_id == self.caller.tenant_id,
                runs.c.owner_id == self.caller.person_id,
                runs.c.id == run_id,
                runs.c.state.in_([RunState.QUEUED, RunState.RUNNING]),
            )
            .values(
                cancel_requested_at=func.coalesce(
                    runs.c.cancel_requested_at, func.clock_timestamp()
                )
            )
        )
        if (await self.connection.execute(asked)).rowcount:
            await notify(self.connection, f"run:{run_id}")
        return await read_run(self.connection, self.caller, run_id)

    async def delete(self, conversation_id: ConversationId) -> None:
        await self.keys.destroy(self.connection, self.caller.tenant_id, conversation_id)
        # Messages, runs, their events and sources go with it.
        await self.connection.execute(
            delete(conversations).where(_is(self.caller, conversation_id))
        )


def _is(caller: Caller, conversation_id: ConversationId) -> Any:
    return and_(
        conversations.c.tenant_id == caller.tenant_id,
        conversations.c.owner_id == caller.person_id,
        conversations.c.id == conversation_id,
    )
