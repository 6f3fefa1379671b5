"""Answer again: the question as it was asked, and another answer beside those that it has."""

from __future__ import annotations

from dataclasses import dataclass

from application.chat.ask_question import AskQuestion
from application.chat.ports import AskedQuestion, Chats
from application.chat.sealed_chat import sealed_chat
from application.ports import Cipher, Idempotency, OwnKeys
from domain.chat.branch import MessageNotFound, Repeats
from domain.chat.conversation import ConversationNotFound
from domain.chat.question import Question
from domain.chat.run import WhenBusy
from domain.identity import Caller, ConversationId, DocumentId, MessageId, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedAnew:
    """What is to be otherwise this time; None: as it was the last time."""

    model: str | None = None
    purpose: Purpose | None = None
    document_ids: frozenset[DocumentId] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerAgain:
    """What may be quoted is decided anew; what was answered before stays where it is."""

    chats: Chats
    own_keys: OwnKeys
    cipher: Cipher
    ask_question: AskQuestion

    async def __call__(
        self,
        *,
        caller: Caller,
        conversation_id: ConversationId,
        message_id: MessageId,
        anew: AskedAnew,
        when_busy: WhenBusy = WhenBusy.REFUSE,
        idempotency: Idempotency | None = None,
    ) -> AskedQuestion:
        """`message_id` is the question, or an answer to it.

        Raises MessageNotFound, and what asking raises.
        """
        chat = await sealed_chat(self.own_keys, self.cipher, caller, conversation_id)
        if chat is None:
            raise ConversationNotFound
        async with self.chats.begin(caller) as tx:
            last = await tx.last_asked(conversation_id, message_id)
        if last is None or last.message.sealed_content is None:
            raise MessageNotFound
        before = chat.open_question(last)
        question = Question(
            text=before.text,
            purpose=anew.purpose or before.purpose,
            document_ids=anew.document_ids or before.document_ids,
            before=before.before,
        )
        model = anew.model
        if model is None:
            chain = await self.ask_question.chain_of(caller)
            model = last.run.model if last.run.model in chain.names else None
        return await self.ask_question(
            caller=caller,
            conversation_id=conversation_id,
            question=question,
            position=Repeats(last.message.id),
            when_busy=when_busy,
            model=model,
            idempotency=idempotency,
        )
