"""What is said in a conversation, at rest: sealed under the conversation's own key.

Each ciphertext is bound to its place, so that none can stand in for another.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from application.chat.ports import SealedEvent, WrittenQuestion
from application.ports import Cipher, Context, DataKey, OwnKeys
from domain.chat.event import Event, EventType
from domain.chat.manifest import Explained
from domain.chat.question import Question
from domain.identity import Caller, ConversationId, DocumentId, MessageId, RunId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedChat:
    """Seals and opens the texts of one conversation. Opening raises Tampered."""

    cipher: Cipher
    key: DataKey
    tenant_id: TenantId
    conversation_id: ConversationId

    def seal_title(self, title: str) -> bytes:
        return self.cipher.seal(self.key, title.encode(), self._context(b"title"))

    def open_title(self, sealed: bytes) -> str:
        return self.cipher.open(self.key, sealed, self._context(b"title")).decode()

    def seal_message(self, message_id: MessageId, text: str) -> bytes:
        return self.cipher.seal(self.key, text.encode(), self._message(message_id))

    def open_message(self, message_id: MessageId, sealed: bytes) -> str:
        return self.cipher.open(self.key, sealed, self._message(message_id)).decode()

    def seal_terms(self, run_id: RunId, question: Question) -> bytes:
        """What a question is asked with beside its text and its purpose."""
        ids = question.document_ids
        terms = {
            "document_ids": None if ids is None else sorted(map(str, ids)),
            "before": list(question.before),
        }
        told = json.dumps(terms, ensure_ascii=False, separators=(",", ":"))
        return self.cipher.seal(self.key, told.encode(), self._context(b"terms", run_id.bytes))

    def open_question(self, written: WrittenQuestion) -> Question:
        """As it was asked for this run."""
        message, run = written.message, written.run
        assert message.sealed_content is not None
        terms: dict[str, list[str] | None] = {"document_ids": None, "before": None}
        if written.sealed_terms is not None:
            context = self._context(b"terms", run.id.bytes)
            terms = json.loads(self.cipher.open(self.key, written.sealed_terms, context))
        ids = terms["document_ids"]
        return Question(
            text=self.open_message(message.id, message.sealed_content),
            purpose=run.purpose,
            document_ids=None if ids is None else frozenset(DocumentId(UUID(each)) for each in ids),
            before=tuple(terms["before"] or ()),
        )

    def seal_event(self, run_id: RunId, event: Event) -> SealedEvent:
        context = self._event(run_id, event.number, event.type)
        sealed = self.cipher.seal(self.key, event.told.encode(), context)
        return SealedEvent(number=event.number, type=event.type, sealed=sealed)

    def open_event(self, run_id: RunId, sealed: SealedEvent) -> Event:
        context = self._event(run_id, sealed.number, sealed.type)
        told = self.cipher.open(self.key, sealed.sealed, context).decode()
        return Event(sealed.number, EventType(sealed.type), told)

    def seal_manifest(self, run_id: RunId, explained: Explained) -> bytes:
        told = json.dumps(asdict(explained), ensure_ascii=False, separators=(",", ":"))
        return self.cipher.seal(self.key, told.encode(), self._context(b"manifest", run_id.bytes))

    def open_manifest(self, run_id: RunId, sealed: bytes) -> Explained:
        told = self.cipher.open(self.key, sealed, self._context(b"manifest", run_id.bytes))
        return Explained(**json.loads(told))

    def _message(self, message_id: MessageId) -> Context:
        return self._context(b"message", message_id.bytes)

    def _event(self, run_id: RunId, number: int, kind: str) -> Context:
        return self._context(b"event", run_id.bytes, number.to_bytes(4), kind.encode())

    def _context(self, part: bytes, *place: bytes) -> Context:
        return (self.tenant_id.bytes, self.conversation_id.bytes, part, *place)


async def sealed_chats(
    own_keys: OwnKeys, cipher: Cipher, caller: Caller, ids: Sequence[ConversationId]
) -> dict[ConversationId, SealedChat]:
    """Of the caller's own conversations those that are there."""
    keys = await own_keys(caller=caller, resources=ids)
    return {
        each: SealedChat(
            cipher=cipher, key=keys[each], tenant_id=caller.tenant_id, conversation_id=each
        )
        for each in ids
        if each in keys
    }


async def sealed_chat(
    own_keys: OwnKeys, cipher: Cipher, caller: Caller, conversation_id: ConversationId
) -> SealedChat | None:
    """None: it is not the caller's, or was deleted."""
    found = await sealed_chats(own_keys, cipher, caller, [conversation_id])
    return found.get(conversation_id)
