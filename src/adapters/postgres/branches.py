"""The tree of a conversation's messages, as it is walked."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.chat_rows import message_of
from adapters.postgres.statements import statement
from adapters.postgres.tables import conversations, messages
from domain.chat.branch import Branch
from domain.chat.message import Message
from domain.identity import Caller, ConversationId, MessageId

_IN_IT = and_(
    messages.c.tenant_id == conversations.c.tenant_id,
    messages.c.conversation_id == conversations.c.id,
)
_LAST = select(messages.c.id).where(_IN_IT).order_by(messages.c.sequence.desc()).limit(1)

HEAD = func.coalesce(conversations.c.selected_id, _LAST.scalar_subquery())
"""What the next question of a conversation follows."""


async def branch_messages(
    connection: AsyncConnection,
    caller: Caller,
    conversation_id: ConversationId,
    branch: MessageId,
    *,
    after: int,
    limit: int,
) -> Sequence[Message]:
    values = _of(caller, conversation_id) | {
        "branch": branch,
        "after": after,
        "messages_max": limit,
    }
    rows = await connection.execute(statement("branch_messages"), values)
    return [message_of(row) for row in rows]


async def branches_of(
    connection: AsyncConnection,
    caller: Caller,
    conversation_id: ConversationId,
    *,
    after: int,
    limit: int,
) -> Sequence[Branch]:
    values = _of(caller, conversation_id) | {"after": after, "branches_max": limit}
    return [
        Branch(
            last=message_of(row),
            length=row.length,
            parted_after=None if row.parted_after is None else MessageId(row.parted_after),
            is_selected=row.is_selected,
        )
        for row in await connection.execute(statement("branches"), values)
    ]


async def last_under(
    connection: AsyncConnection,
    caller: Caller,
    conversation_id: ConversationId,
    message_id: MessageId,
) -> MessageId | None:
    values = {
        "tenant": caller.tenant_id,
        "conversation": conversation_id,
        "message": message_id,
    }
    found = (await connection.execute(statement("last_under"), values)).scalar_one_or_none()
    return None if found is None else MessageId(found)


def _of(caller: Caller, conversation_id: ConversationId) -> dict[str, object]:
    return {
        "tenant": caller.tenant_id,
        "person": caller.person_id,
        "conversation": conversation_id,
    }
