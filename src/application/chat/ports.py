"""Ports of the chat module."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.chat.spending import Bill
from application.ports import DataKey, Idempotency
from domain.chat.branch import Branch
from domain.chat.budget import Amount, Budgets, Spender
from domain.chat.conversation import Conversation
from domain.chat.event import Degradation, Fact, Terminal
from domain.chat.excerpt import Excerpt
from domain.chat.manifest import Provenance
from domain.chat.message import Message, MessageRole
from domain.chat.model_call import ModelCall
from domain.chat.question import Question
from domain.chat.run import Run, RunState
from domain.identity import Caller, ConversationId, DocumentId, MessageId, Purpose, RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundExcerpts:
    """What may be quoted for a question, best first, and how it was found."""

    mode: str
    degraded: Sequence[Degradation]
    excerpts: Sequence[Excerpt]


class ExcerptSource(Protocol):
    """Finds what may be quoted, and nothing else."""

    async def find(
        self,
        *,
        caller: Caller,
        sought: str,
        purpose: Purpose,
        document_ids: frozenset[DocumentId] | None,
        limit: int,
    ) -> FoundExcerpts:
        """At most `limit` excerpts, each disclosed under a release of action `quote`.

        None at all is an answer, too. Raises Unavailable when the release cannot be written.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedQuestion:
    """A question that was written down, and the run that is to answer it.

    `events_told` counts the events that the run has already: one, where it had to wait.
    """

    caller: Caller
    question: Question
    message: Message
    run: Run
    key: DataKey
    events_told: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenQuestion:
    """A question and a run of it as they are stored. `sealed_terms` is None in old runs."""

    message: Message
    run: Run
    sealed_terms: bytes | None = field(repr=False)


class RunStarter(Protocol):
    """Answers questions in this process, each detached from the request that asked it."""

    @property
    def has_room(self) -> bool: ...

    def start(self, asked: AskedQuestion) -> None: ...


class ChatTransaction(Protocol):
    """One transaction over the caller's own conversations; others' do not exist in it."""

    async def now(self) -> datetime: ...

    async def claim(self, idempotency: Idempotency | None, resource: UUID) -> UUID: ...

    async def claimed(self, idempotency: Idempotency) -> UUID | None:
        """What an earlier `claim` of this made; None where there was none."""
        ...

    async def named(self, route: str, key: str) -> UUID | None:
        """What was made under this name, whatever it was that was asked."""
        ...

    async def add_conversation(self, conversation: Conversation, key: DataKey) -> None: ...

    async def conversation(
        self, conversation_id: ConversationId, *, lock: bool = False
    ) -> Conversation | None:
        """With `lock`, nobody else adds a message until this transaction ends."""
        ...

    async def unfinished_runs(self, conversation_id: ConversationId) -> int:
        """How many are running, or wait for their turn."""
        ...

    async def head(self, conversation_id: ConversationId) -> MessageId | None:
        """What the next question follows: the selected message, else the last one."""
        ...

    async def message(
        self, conversation_id: ConversationId, message_id: MessageId
    ) -> Message | None: ...

    async def last_under(
        self, conversation_id: ConversationId, message_id: MessageId
    ) -> MessageId | None:
        """The last message that follows this one, at whatever distance, or is it."""
        ...

    async def select(self, conversation_id: ConversationId, message_id: MessageId) -> None: ...

    async def ask(
        self,
        added: Sequence[Message],
        run: Run,
        *,
        sealed_terms: bytes,
        lease_seconds: float,
        events: Sequence[SealedEvent],
    ) -> None:
        """Append the messages, count them, select what they add, and note the run with its events.

        A run that waits for its turn waits for `lease_seconds`.
        """
        ...

    async def asked(self, run_id: RunId) -> tuple[Message, Run]: ...

    async def last_asked(
        self, conversation_id: ConversationId, message_id: MessageId
    ) -> WrittenQuestion | None:
        """The question that this message is or answers, with its last run."""
        ...

    async def begin_queued(self, run_id: RunId, *, lease_seconds: float) -> WrittenQuestion | None:
        """Have a run that waits be running, if nobody else did and it is its turn."""
        ...

    async def end_queued(
        self, run: Run, state: RunState, event: SealedEvent, sealed_answer: bytes
    ) -> bool:
        """End a run that waits, if it still does, and let go of what it had reserved."""
        ...

    async def reserve(
        self, bill: Bill, model: str, amount: Amount, budgets: Budgets
    ) -> Spender | None:
        """Set aside what the run may take. Whose budget has not so much left; None: it is done.

        Everybody's who asks in this tenant waits until this transaction ends: do it last.
        """
        ...

    async def request_cancel(self, run_id: RunId) -> Run | None:
        """Ask whoever executes the run to stop; the run as it stands."""
        ...

    async def delete(self, conversation_id: ConversationId) -> None:
        """The conversation, its messages, runs and events, and its key."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierMessage:
    """A message before the question, that may still be seen in full."""

    id: MessageId
    role: MessageRole
    sealed_content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """The last messages before a question on its path that a prompt may have, oldest first, and how
    many there are in all, as far as one looks back."""

    messages: Sequence[EarlierMessage]
    count: int


class Chats(Protocol):
    """Conversations, messages and runs, of their owner only."""

    def begin(self, caller: Caller) -> AbstractAsyncContextManager[ChatTransaction]: ...

    async def conversation(
        self, caller: Caller, conversation_id: ConversationId
    ) -> Conversation | None: ...

    async def conversations(
        self, caller: Caller, *, after: ConversationId | None, limit: int
    ) -> Sequence[Conversation]: ...

    async def messages(
        self,
        caller: Caller,
        conversation_id: ConversationId,
        *,
        branch: MessageId | None,
        after: int,
        limit: int,
    ) -> Sequence[Message]:
        """In the order of their sequence; with `branch` only those up to it, on its path."""
        ...

    async def earlier(self, caller: Caller, question: Message, purpose: Purpose) -> Earlier:
        """What was said before a question on its path.

        Without answers that were taken back, or that rest on a grant which is no longer open, is
        for another purpose than this, or demands more of its reader than the caller's `acr`.
        """
        ...

    async def run(self, caller: Caller, run_id: RunId) -> Run | None: ...

    async def branches(
        self, caller: Caller, conversation_id: ConversationId, *, after: int, limit: int
    ) -> Sequence[Branch]:
        """Those whose last message comes after this sequence number, in its order."""
        ...

    async def active_run(self, caller: Caller, conversation_id: ConversationId) -> Run | None:
        """The run that is writing in a conversation now; there is at most one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedEvent:
    """An event as it is stored."""

    number: int
    type: str
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """A run and some of its events, as of one moment: `asked_at` is a time of the loop's clock."""

    run: Run
    events: Sequence[SealedEvent]
    has_more: bool
    asked_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AbandonedRun:
    """A run whose process has gone; `caller` is its owner."""

    caller: Caller
    run_id: RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingRun:
    """A run whose turn has come, or that is not to wait any longer; `caller` is its owner."""

    caller: Caller
    run_id: RunId
    is_cancelled: bool
    is_late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptAnswer:
    """An answer that has ended, as of one moment. `sealed_manifest` is None where there is none."""

    run: Run
    sealed_content: bytes | None = field(repr=False)
    sealed_manifest: bytes | None = field(repr=False)


class KeptAnswers(Protocol):
    """Answers with what they were made from, of their owner only."""

    async def find(self, caller: Caller, run_id: RunId) -> KeptAnswer | None:
        """Without content and manifest where a grant that it rests on is not open any more, and
        it was not kept."""
        ...


class RunEvents(Protocol):
    """The stored events of runs."""

    async def page(self, caller: Caller, run_id: RunId, *, after: int) -> RunPage | None:
        """As many as are read in a moment: what is read is shown within a second, or not at all."""
        ...

    async def abandoned(self) -> Sequence[AbandonedRun]: ...

    async def waiting(self) -> Sequence[WaitingRun]:
        """Some of them, those first that were asked first."""
        ...

    async def end_abandoned(
        self, caller: Caller, run_id: RunId, event: SealedEvent, sealed_answer: bytes
    ) -> bool:
        """Fail the run with this event, if its lease is still over and no event was added."""
        ...


class RunStopped(Exception):
    """The run may not go on: it was cancelled, its access ended, or somebody else ended it."""

    def __init__(self, state: RunState) -> None:
        super().__init__(state)
        self.state = state


class RunLog(Protocol):
    """Where one run writes what happens. What is appended is seen once it is committed.

    Every commit looks, under the run's row lock, whether the run may go on: nobody cancelled it,
    and every grant that it rests on is open. A run that says nothing is looked at twice a second.
    """

    def interruptible(self) -> AbstractAsyncContextManager[None]:
        """Raises RunStopped out of this block as soon as the run may not go on."""
        ...

    async def append(self, fact: Fact) -> None:
        """Queue an event for the next commit; waits while many are queued already.

        Raises RunStopped.
        """
        ...

    async def rest_on(
        self, excerpts: Sequence[Excerpt], earlier_answers: Sequence[MessageId]
    ) -> None:
        """Record what the answer rests on, at first hand and through earlier answers.

        Must be committed before a word of them is written. Raises RunStopped where one of the
        grants has ended since, or a document has gone.
        """
        ...

    def made_from(self, provenance: Provenance) -> None:
        """What the manifest of the answer is written from; without it there will be none."""
        ...

    async def end(self, terminal: Terminal, calls: Sequence[ModelCall]) -> None:
        """Append the terminal event and keep the answer as far as it came, with its manifest, in
        one transaction. `calls` are all that were made for it, whoever answered.

        Waits for the commit, within a limit; what cannot be recorded by then the sweeper ends.
        Does nothing where the run was ended by somebody else.
        """
        ...


class RunLogs(Protocol):
    """Opens the log of a run, whose lease is then kept up until it is closed."""

    def open(self, asked: AskedQuestion) -> AbstractAsyncContextManager[RunLog]: ...
