"""Conversations by the name that a client gave them, for clients that make up ids themselves."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from application.chat.ports import Chats
from application.chat.start_conversation import StartConversation
from application.ports import Idempotency
from domain.identity import Caller, ConversationId

ROUTE = "conversation by name"


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedConversations:
    """A name means something to its owner alone, for good. The id of one's own conversation is a
    name of it, too; anyone else's is a name like any other, that nobody has used yet."""

    chats: Chats
    start_conversation: StartConversation

    async def find(self, *, caller: Caller, name: str) -> ConversationId | None:
        """None where the caller has asked nothing under this name."""
        conversation_id = _as_id(name)
        if conversation_id is not None:
            found = await self.chats.conversation(caller, conversation_id)
            if found is not None:
                return found.id
        async with self.chats.begin(caller) as tx:
            claimed = await tx.claimed(_claim(name))
        return None if claimed is None else ConversationId(claimed)

    async def open(self, *, caller: Caller, name: str, title: str) -> ConversationId:
        """The conversation of this name, started under this title if there is none.

        Raises ConversationNotFound where it was deleted: its name is not used again.
        """
        found = await self.find(caller=caller, name=name)
        if found is not None:
            return found
        started = await self.start_conversation(
            caller=caller, title=title, idempotency=_claim(name)
        )
        return started.id


def _claim(name: str) -> Idempotency:
    asked = hashlib.sha256(name.encode()).digest()
    return Idempotency(route=ROUTE, key=name, request_hash=asked)


def _as_id(name: str) -> ConversationId | None:
    try:
        return ConversationId(UUID(name))
    except ValueError:
        return None
