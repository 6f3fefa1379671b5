"""Start a conversation: with a key of its own, before anything is said in it."""

from __future__ import annotations

from dataclasses import dataclass

from application.chat.ports import Chats
from application.chat.sealed_chat import SealedChat
from application.ports import Cipher, Idempotency, LogWritable, NewId
from domain.chat.conversation import Conversation, ConversationNotFound, usable_title
from domain.identity import Caller, ConversationId


@dataclass(frozen=True, slots=True, kw_only=True)
class StartConversation:
    """An empty conversation of the caller's."""

    chats: Chats
    log_writable: LogWritable
    cipher: Cipher
    new_id: NewId

    async def __call__(
        self, *, caller: Caller, title: str = "", idempotency: Idempotency | None = None
    ) -> Conversation:
        """Repeated with the same idempotency key it returns the conversation of the first time."""
        await self.log_writable()
        fresh = ConversationId(self.new_id())
        key = self.cipher.new_key()
        chat = SealedChat(
            cipher=self.cipher, key=key, tenant_id=caller.tenant_id, conversation_id=fresh
        )
        sealed_title = chat.seal_title(usable_title(title))
        async with self.chats.begin(caller) as tx:
            claimed = ConversationId(await tx.claim(idempotency, fresh))
            if claimed != fresh:
                earlier = await tx.conversation(claimed)
                if earlier is None:  # made by the first request, deleted since
                    raise ConversationNotFound
                return earlier
            conversation = Conversation(
                id=fresh,
                owner_id=caller.person_id,
                sealed_title=sealed_title,
                message_count=0,
                created_at=await tx.now(),
            )
            await tx.add_conversation(conversation, key)
        return conversation
