"""What is said in a conversation, at rest: sealed under the conversation's own key.

Each ciphertext is bound to its place, so that none can stand in for another.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from application.chat.ports import SealedEvent
from application.ports import Cipher, Context, DataKey
from domain.chat.event import Event, EventType
from domain.chat.manifest import Explained
from domain.identity import ConversationId, MessageId, RunId, TenantId


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
