"""Select a branch: the next question goes on from there."""

from __future__ import annotations

from dataclasses import dataclass

from application.chat.ports import Chats
from domain.chat.branch import MessageNotFound
from domain.chat.conversation import ConversationNotFound
from domain.identity import Caller, ConversationId, MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectBranch:
    """Holds until something else is asked or selected."""

    chats: Chats

    async def __call__(
        self, *, caller: Caller, conversation_id: ConversationId, message_id: MessageId
    ) -> None:
        """The branch that the message is in; of several the one that was gone on with last.

        Raises ConversationNotFound, or MessageNotFound.
        """
        async with self.chats.begin(caller) as tx:
            if await tx.conversation(conversation_id, lock=True) is None:
                raise ConversationNotFound
            last = await tx.last_under(conversation_id, message_id)
            if last is None:
                raise MessageNotFound
            await tx.select(conversation_id, last)
