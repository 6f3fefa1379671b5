"""Delete a conversation: its key, its messages, and everything its runs said."""

from __future__ import annotations

from dataclasses import dataclass

from application.chat.ports import Chats
from application.ports import EndingsKept, LogWritable
from domain.chat.conversation import ConversationNotFound
from domain.identity import Caller, ConversationId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteConversation:
    """The owner's last word on it. A run in flight ends with it."""

    chats: Chats
    log_writable: LogWritable
    endings_kept: EndingsKept

    async def __call__(self, *, caller: Caller, conversation_id: ConversationId) -> None:
        await self.log_writable()
        async with self.chats.begin(caller) as tx:
            if await tx.conversation(conversation_id, lock=True) is None:
                raise ConversationNotFound
            await tx.delete(conversation_id)
        await self.endings_kept()
