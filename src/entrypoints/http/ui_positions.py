"""Where in its conversation a message of the AI SDK belongs, by the ids that its client knows.

Answers have ours, from the start of their streams; questions have the client's, which were claimed
when they were asked. What the client repeats decides where it goes on, never what was said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import msgspec

from application.chat.ports import Chats, ChatTransaction
from application.ports import Idempotency
from domain.chat.branch import Follows, Position, Replaces
from domain.chat.message import MessageRole
from domain.identity import Caller, ConversationId, MessageId, RunId

ASKED = "POST /api/chat message"
EDITED = "POST /api/chat edit"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownChat:
    """A chat as its client shows it, up to the message that asks.

    `answer_ids` are those of the answers before it, `named_id` the one that the client edits or
    has answered again; each as the client tells it.
    """

    chat: str
    message_id: str
    texts: Sequence[str | None]
    answer_ids: Sequence[str]
    named_id: str | None
    is_edited: bool

    def claim(self, terms: object) -> Idempotency | None:
        """A message takes effect once, by its id; one that was edited, once for what it says."""
        if not self.message_id:
            return None
        asked = msgspec.json.encode([self.texts, terms])
        return Idempotency(
            route=EDITED if self.is_edited else ASKED,
            key=self._key_of_text() if self.is_edited else self._key(),
            request_hash=hashlib.sha256(asked).digest(),
        )

    async def position(
        self, chats: Chats, caller: Caller, conversation_id: ConversationId
    ) -> Position | None:
        """In the place of the question that is edited, else after the answer that is shown last."""
        async with chats.begin(caller) as tx:
            if self.is_edited:
                asked = await self._asked(tx, ASKED, self._key())
                if asked is not None:
                    return Replaces(asked)
            for each in reversed(self.answer_ids):
                found = await _message(tx, conversation_id, each, MessageRole.ASSISTANT)
                if found is not None:
                    return Follows(found)
        return None

    async def repeated(
        self, chats: Chats, caller: Caller, conversation_id: ConversationId
    ) -> MessageId | None:
        """The message whose question is to be answered again; None: it was never asked here."""
        async with chats.begin(caller) as tx:
            if self.named_id is not None:
                found = await _message(tx, conversation_id, self.named_id, None)
                if found is not None:
                    return found
            return await self._asked(tx, EDITED, self._key_of_text()) or await self._asked(
                tx, ASKED, self._key()
            )

    async def _asked(self, tx: ChatTransaction, route: str, key: str) -> MessageId | None:
        run_id = await tx.named(route, key) if self.message_id else None
        if run_id is None:
            return None
        message, _ = await tx.asked(RunId(run_id))
        return message.id

    def _key(self) -> str:
        return hashlib.sha256(msgspec.json.encode([self.chat, self.message_id])).hexdigest()

    def _key_of_text(self) -> str:
        named = msgspec.json.encode([self.chat, self.message_id, self.texts])
        return hashlib.sha256(named).hexdigest()


async def _message(
    tx: ChatTransaction, conversation_id: ConversationId, told: str, role: MessageRole | None
) -> MessageId | None:
    try:
        message_id = MessageId(UUID(told))
    except ValueError:
        return None
    found = await tx.message(conversation_id, message_id)
    return None if found is None or role not in (None, found.role) else found.id
