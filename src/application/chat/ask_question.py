"""Ask: the question, a place for the answer, and the run that will fill it, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from application.chat.model_chain import ModelChain
from application.chat.ports import AskedQuestion, Chats, ChatTransaction, RunStarter
from application.chat.reserve_answer import ReserveAnswer
from application.chat.sealed_chat import SealedChat
from application.ports import Cipher, Idempotency, NewId, OwnKeys
from domain.chat.conversation import Conversation, ConversationNotFound
from domain.chat.message import Message, MessageRole
from domain.chat.prompt import PROMPT_VERSION
from domain.chat.question import Question
from domain.chat.run import Run, RunAlreadyActive, RunState
from domain.errors import Unavailable
from domain.identity import Caller, ConversationId, MessageId, RunId


class TooManyRuns(Unavailable):
    """This server is writing as many answers as it can; ask again in a moment."""

    code = "too_many_runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskQuestion:
    """Once per idempotency key: a repeat joins the run of the first time, whatever its state."""

    chats: Chats
    own_keys: OwnKeys
    cipher: Cipher
    starter: RunStarter
    new_id: NewId
    chain: ModelChain
    reserve_answer: ReserveAnswer

    async def __call__(
        self,
        *,
        caller: Caller,
        conversation_id: ConversationId,
        question: Question,
        model: str | None = None,
        idempotency: Idempotency | None = None,
    ) -> AskedQuestion:
        """`model` is tried first; None: the first of the chain.

        Raises ConversationNotFound, RunAlreadyActive, TooManyRuns, ModelUnknown, or
        BudgetExhausted; then nothing was done.
        """
        name = self.chain.default if model is None else model
        self.chain.beginning_with(name)
        keys = await self.own_keys(caller=caller, resources=[conversation_id])
        if conversation_id not in keys:
            raise ConversationNotFound
        key = keys[conversation_id]
        chat = SealedChat(
            cipher=self.cipher,
            key=key,
            tenant_id=caller.tenant_id,
            conversation_id=conversation_id,
        )
        fresh = RunId(self.new_id())
        async with self.chats.begin(caller) as tx:
            claimed = RunId(await tx.claim(idempotency, fresh))
            if claimed == fresh:
                conversation = await self._take_turn(tx, conversation_id)
                message, run = await self._ask(tx, chat, conversation, question, fresh, name)
            else:
                message, run = await tx.asked(claimed)
            asked = AskedQuestion(
                caller=caller, question=question, message=message, run=run, key=key
            )
            if claimed == fresh:
                await self.reserve_answer(tx, asked)
        if claimed == fresh:
            self.starter.start(asked)
        return asked

    async def _take_turn(
        self, tx: ChatTransaction, conversation_id: ConversationId
    ) -> Conversation:
        conversation = await tx.conversation(conversation_id, lock=True)
        if conversation is None:
            raise ConversationNotFound
        if await tx.is_running(conversation_id):
            raise RunAlreadyActive
        if not self.starter.has_room:
            raise TooManyRuns(retry_after_seconds=2)
        return conversation

    async def _ask(
        self,
        tx: ChatTransaction,
        chat: SealedChat,
        conversation: Conversation,
        question: Question,
        run_id: RunId,
        model: str,
    ) -> tuple[Message, Run]:
        now = await tx.now()
        asked_id, answer_id = MessageId(self.new_id()), MessageId(self.new_id())
        asked = Message(
            id=asked_id,
            conversation_id=conversation.id,
            sequence=conversation.message_count + 1,
            parent_id=await tx.last_message(conversation.id),
            role=MessageRole.USER,
            sealed_content=chat.seal_message(asked_id, question.text),
            created_at=now,
        )
        answer = Message(
            id=answer_id,
            conversation_id=conversation.id,
            sequence=conversation.message_count + 2,
            parent_id=asked_id,
            role=MessageRole.ASSISTANT,
            sealed_content=None,
            created_at=now,
        )
        run = self._run(conversation, asked, answer, question, run_id, model, now)
        await tx.ask(asked, answer, run)
        return asked, run

    def _run(
        self,
        conversation: Conversation,
        asked: Message,
        answer: Message,
        question: Question,
        run_id: RunId,
        model: str,
        now: datetime,
    ) -> Run:
        return Run(
            id=run_id,
            conversation_id=conversation.id,
            owner_id=conversation.owner_id,
            question_id=asked.id,
            answer_id=answer.id,
            purpose=question.purpose,
            model=model,
            prompt_version=PROMPT_VERSION,
            state=RunState.RUNNING,
            cancel_requested=False,
            created_at=now,
        )
