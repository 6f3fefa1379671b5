"""Read one's own conversations: titles and messages, opened with their own key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from application.chat.ports import Chats
from application.chat.sealed_chat import SealedChat, sealed_chats
from application.ports import Cipher, OwnKeys
from domain.chat.branch import Branch, MessageNotFound
from domain.chat.conversation import Conversation, ConversationNotFound
from domain.chat.message import Message
from domain.identity import Acr, Caller, ConversationId, MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenConversation:
    """A conversation and what it is called."""

    conversation: Conversation
    title: str = field(repr=False)


class Withheld(StrEnum):
    """What a session lacks that would be shown the content of a message."""

    SECOND_FACTOR = "second_factor"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMessage:
    """A message and what it says; None while it is being written, and where it is gone, or is
    `withheld`, which says what the session lacks."""

    message: Message
    content: str | None = field(repr=False)
    withheld: Withheld | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadConversations:
    """Their owner needs no release to reread them; for anyone else they do not exist."""

    chats: Chats
    own_keys: OwnKeys
    cipher: Cipher

    async def page(
        self, *, caller: Caller, after: ConversationId | None, limit: int
    ) -> Sequence[OpenConversation]:
        """In the order in which they were started."""
        found = await self.chats.conversations(caller, after=after, limit=limit)
        chats = await self._open(caller, [each.id for each in found])
        return [
            OpenConversation(conversation=each, title=chats[each.id].open_title(each.sealed_title))
            for each in found
            if each.id in chats  # deleted between the two looks
        ]

    async def one(self, *, caller: Caller, conversation_id: ConversationId) -> OpenConversation:
        found = await self.chats.conversation(caller, conversation_id)
        chats = await self._open(caller, [conversation_id])
        if found is None or conversation_id not in chats:
            raise ConversationNotFound
        title = chats[conversation_id].open_title(found.sealed_title)
        return OpenConversation(conversation=found, title=title)

    async def messages(
        self,
        *,
        caller: Caller,
        conversation_id: ConversationId,
        branch: MessageId | None = None,
        after: int,
        limit: int,
    ) -> Sequence[OpenMessage]:
        """The messages after this sequence number, in order: of all branches, or of one."""
        chats = await self._open(caller, [conversation_id])
        if branch is not None:
            async with self.chats.begin(caller) as tx:
                if await tx.message(conversation_id, branch) is None:
                    raise MessageNotFound
        found = await self.chats.messages(
            caller, conversation_id, branch=branch, after=after, limit=limit
        )
        if conversation_id not in chats:
            raise ConversationNotFound
        chat = chats[conversation_id]
        return [_opened(chat, each, caller.acr) for each in found]

    async def branches(
        self, *, caller: Caller, conversation_id: ConversationId, after: int, limit: int
    ) -> Sequence[Branch]:
        """By their last messages, after this sequence number. Raises ConversationNotFound."""
        if await self.chats.conversation(caller, conversation_id) is None:
            raise ConversationNotFound
        return await self.chats.branches(caller, conversation_id, after=after, limit=limit)

    async def _open(
        self, caller: Caller, ids: Sequence[ConversationId]
    ) -> dict[ConversationId, SealedChat]:
        return await sealed_chats(self.own_keys, self.cipher, caller, ids)


def _opened(chat: SealedChat, message: Message, acr: Acr) -> OpenMessage:
    if message.is_withheld_from(acr):
        return OpenMessage(message=message, content=None, withheld=Withheld.SECOND_FACTOR)
    sealed = message.sealed_content
    return OpenMessage(
        message=message,
        content=None if sealed is None else chat.open_message(message.id, sealed),
    )
