"""Ask: the question, a place for the answer, and the run that will fill it, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from application.chat.model_choices import ChainOf
from application.chat.place_question import place_question
from application.chat.ports import AskedQuestion, Chats, ChatTransaction, RunStarter, SealedEvent
from application.chat.reserve_answer import ReserveAnswer
from application.chat.sealed_chat import SealedChat, sealed_chat
from application.ports import Cipher, Idempotency, NewId, OwnKeys, RateLimits
from domain.chat.branch import Position
from domain.chat.conversation import Conversation, ConversationNotFound
from domain.chat.event import Queued, as_event
from domain.chat.message import Message, MessageRole
from domain.chat.prompt import PROMPT_VERSION
from domain.chat.question import Question
from domain.chat.run import QueueFull, Run, RunAlreadyActive, RunState, WhenBusy
from domain.errors import Unavailable
from domain.identity import Caller, ConversationId, MessageId, RunId

LEASE_SECONDS = 30.0
"""For how long a run is taken for alive whose process says nothing."""

PER_PERSON = "question_rate_per_person"


class TooManyRuns(Unavailable):
    """This server is writing as many answers as it can; ask again in a moment."""

    code = "too_many_runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """How many questions may wait in one conversation, and for how long each of them."""

    waiting_max: int = 8
    seconds_max: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AskQuestion:
    """Once per idempotency key: a repeat joins the run of the first time, whatever its state."""

    chats: Chats
    own_keys: OwnKeys
    cipher: Cipher
    starter: RunStarter
    new_id: NewId
    chain_of: ChainOf
    reserve_answer: ReserveAnswer
    rates: RateLimits
    queue: QueueLimits = field(default_factory=QueueLimits)
    lease_seconds: float = LEASE_SECONDS

    async def __call__(
        self,
        *,
        caller: Caller,
        conversation_id: ConversationId,
        question: Question,
        position: Position | None = None,
        when_busy: WhenBusy = WhenBusy.REFUSE,
        model: str | None = None,
        idempotency: Idempotency | None = None,
    ) -> AskedQuestion:
        """`model` is tried first; None: the first of the chain. `position` None: the question
        goes on from the selected branch.

        Raises ConversationNotFound, MessageNotFound, NotAnAnswer, NotAQuestion, RunAlreadyActive,
        QueueFull, TooManyRuns, TooMany, ModelUnknown, or BudgetExhausted; then nothing was done.
        """
        await self.rates.attempt(PER_PERSON, str(caller.tenant_id), str(caller.person_id))
        chain = await self.chain_of(caller)
        name = chain.named(model)
        chat = await sealed_chat(self.own_keys, self.cipher, caller, conversation_id)
        if chat is None:
            raise ConversationNotFound
        fresh = RunId(self.new_id())
        async with self.chats.begin(caller) as tx:
            claimed = RunId(await tx.claim(idempotency, fresh))
            if claimed == fresh:
                conversation = await tx.conversation(conversation_id, lock=True)
                if conversation is None:
                    raise ConversationNotFound
                ahead = await self._take_turn(tx, conversation_id, when_busy)
                message, run = await self._ask(
                    tx, chat, conversation, question, position, fresh, name, ahead
                )
            else:
                message, run = await tx.asked(claimed)
            asked = AskedQuestion(
                caller=caller, question=question, message=message, run=run, key=chat.key
            )
            if claimed == fresh:
                await self.reserve_answer(tx, asked, chain)
        if claimed == fresh and run.state is RunState.RUNNING:
            self.starter.start(asked)
        return asked

    async def assert_possible(
        self, *, caller: Caller, question: Question, model: str | None = None
    ) -> None:
        """A look beforehand, where a conversation would be begun for it.

        Raises ModelUnknown and BudgetExhausted.
        """
        chain = await self.chain_of(caller)
        await self.reserve_answer.assert_affordable(caller, question, chain, chain.named(model))

    async def _take_turn(
        self, tx: ChatTransaction, conversation_id: ConversationId, when_busy: WhenBusy
    ) -> int:
        """How many answers come before this one; 0: it is begun at once."""
        ahead = await tx.unfinished_runs(conversation_id)
        if ahead and when_busy is WhenBusy.REFUSE:
            raise RunAlreadyActive
        if ahead > self.queue.waiting_max:
            raise QueueFull(retry_after_seconds=5)
        if not ahead and not self.starter.has_room:
            raise TooManyRuns(retry_after_seconds=2)
        return ahead

    async def _ask(
        self,
        tx: ChatTransaction,
        chat: SealedChat,
        conversation: Conversation,
        question: Question,
        position: Position | None,
        run_id: RunId,
        model: str,
        ahead: int,
    ) -> tuple[Message, Run]:
        placed = await place_question(tx, conversation.id, position)
        now = await tx.now()
        asked, new = placed.repeated, list[Message]()
        if asked is None:
            asked = self._question(chat, conversation, question, placed.parent_id, now)
            new.append(asked)
        answer = Message(
            id=MessageId(self.new_id()),
            conversation_id=conversation.id,
            sequence=conversation.message_count + len(new) + 1,
            parent_id=asked.id,
            role=MessageRole.ASSISTANT,
            sealed_content=None,
            created_at=now,
        )
        run = Run(
            id=run_id,
            conversation_id=conversation.id,
            owner_id=conversation.owner_id,
            question_id=asked.id,
            answer_id=answer.id,
            purpose=question.purpose,
            model=model,
            prompt_version=PROMPT_VERSION,
            state=RunState.QUEUED if ahead else RunState.RUNNING,
            cancel_requested=False,
            created_at=now,
        )
        await tx.ask(
            [*new, answer],
            run,
            sealed_terms=chat.seal_terms(run_id, question),
            lease_seconds=self.queue.seconds_max if ahead else self.lease_seconds,
            events=self._told_so_far(chat, run, ahead),
        )
        return asked, run

    def _question(
        self,
        chat: SealedChat,
        conversation: Conversation,
        question: Question,
        parent_id: MessageId | None,
        now: datetime,
    ) -> Message:
        fresh = MessageId(self.new_id())
        return Message(
            id=fresh,
            conversation_id=conversation.id,
            sequence=conversation.message_count + 1,
            parent_id=parent_id,
            role=MessageRole.USER,
            sealed_content=chat.seal_message(fresh, question.text),
            created_at=now,
        )

    @staticmethod
    def _told_so_far(chat: SealedChat, run: Run, ahead: int) -> Sequence[SealedEvent]:
        if not ahead:
            return []
        queued = Queued(
            run_id=run.id,
            message_id=run.answer_id,
            conversation_id=run.conversation_id,
            ahead=ahead,
        )
        return [chat.seal_event(run.id, as_event(1, queued))]
