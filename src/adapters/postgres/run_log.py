"""Where one run writes what happens: numbered, sealed, and queued for the next commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import transaction
from adapters.postgres.statements import statement
from application.chat.live_runs import LiveRun
from application.chat.ports import RunStopped, SealedEvent
from application.chat.sealed_chat import SealedChat
from domain.chat.event import (
    STATE_AFTER,
    Cancelled,
    Cited,
    Event,
    Fact,
    Terminal,
    TextDelta,
    as_event,
)
from domain.chat.excerpt import Excerpt
from domain.chat.manifest import Provenance, explain
from domain.chat.model_call import ModelCall
from domain.chat.run import Run, RunState
from domain.identity import Caller, DocumentId, MessageId

EVENTS_WAITING_MAX = 64
END_SECONDS_MAX = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What goes into one commit; no events at all is a look whether the run may go on."""

    events: Sequence[Event]
    sealed: Sequence[SealedEvent]
    last_number: int
    end_state: RunState | None = None
    sealed_answer: bytes | None = None
    sealed_manifest: bytes | None = None
    cited: Sequence[DocumentId] = ()


@dataclass(frozen=True, slots=True)
class _Waiting:
    event: Event
    sealed: SealedEvent
    fact: Fact


class PostgresRunLog:
    """`RunLog`. The writer takes what waits here and says what became of it."""

    def __init__(
        self,
        *,
        caller: Caller,
        run: Run,
        chat: SealedChat,
        live: LiveRun,
        engine: AsyncEngine,
        wake: Callable[[PostgresRunLog], None],
        events_told: int = 0,
    ) -> None:
        self.caller = caller
        self.run = run
        self._chat = chat
        self._live = live
        self._engine = engine
        self._wake = wake
        self._waiting: list[_Waiting] = []
        self._facts: list[Fact] = []  # that are committed
        self._provenance: Provenance | None = None
        self._calls: Sequence[ModelCall] = ()
        self._committed_number = events_told
        self._end_state: RunState | None = None
        self._ended = False
        self._stopped: RunStopped | None = None
        self._progress: asyncio.Event | None = None  # of whoever waits for the next commit
        self._interrupted: asyncio.Task[object] | None = None
        self._interrupting = False

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can come of asking the database about this run."""
        return self._ended or (self._stopped is not None and self._end_state is None)

    @asynccontextmanager
    async def interruptible(self) -> AsyncIterator[None]:
        task = asyncio.current_task()
        assert task is not None
        before = task.cancelling()
        self._interrupted = task
        try:
            self._assert_running()
            yield
        except asyncio.CancelledError:
            # Ours, and nobody else's beside it: the same rule as that of asyncio.timeout.
            if self._interrupting and task.uncancel() <= before and self._stopped is not None:
                raise self._stopped from None
            raise
        finally:
            self._interrupted = None

    async def append(self, fact: Fact) -> None:
        self._assert_running()
        self._enqueue(fact)
        while len(self._waiting) >= EVENTS_WAITING_MAX:
            await self._next_commit()
            self._assert_running()

    async def rest_on(
        self, excerpts: Sequence[Excerpt], earlier_answers: Sequence[MessageId]
    ) -> None:
        self._assert_running()
        # Each version once: it was disclosed under one release.
        sources = {excerpt.version: excerpt for excerpt in excerpts}
        values = {
            "tenant": self.caller.tenant_id,
            "run": self.run.id,
            "documents": [version.document_id for version in sources],
            "versions": [version.version for version in sources],
            "releases": [excerpt.release_id for excerpt in sources.values()],
            "grants": [excerpt.grant_id for excerpt in sources.values()],
            "earlier_answers": list(earlier_answers),
        }
        caller = self.caller
        async with transaction(self._engine, caller.tenant_id, caller.person_id) as connection:
            await connection.execute(statement("lock_sources"), values)
            await connection.execute(statement("record_sources"), values)

    def made_from(self, provenance: Provenance) -> None:
        self._provenance = provenance

    async def end(self, terminal: Terminal, calls: Sequence[ModelCall]) -> None:
        self._calls = calls
        await self._end(terminal)
        if not self._ended and self._stopped is not None:  # cancelled while it was ending
            await self._end(Cancelled())

    async def _end(self, terminal: Terminal) -> None:
        if self._stopped is not None and self._stopped.state is not RunState.CANCELLED:
            return
        self._enqueue(terminal)
        self._end_state = STATE_AFTER[terminal.type]
        with suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS_MAX):
                while not self.is_closed:
                    await self._next_commit()

    def take(self) -> Taken:
        """What waits; it goes on waiting until `committed` or `stop` tells otherwise."""
        waiting = list(self._waiting)
        last_number = waiting[-1].event.number if waiting else self._committed_number
        sealed_answer, sealed_manifest = None, None
        cited: set[DocumentId] = set()
        if self._end_state is not None:
            facts = [*self._facts, *(each.fact for each in waiting)]
            answer = "".join(each.text for each in facts if isinstance(each, TextDelta))
            sealed_answer = self._chat.seal_message(self.run.answer_id, answer)
            sealed_manifest = self._sealed_manifest(self._end_state, facts, answer)
            cited = {
                each.citation.document_id
                for each in facts
                if isinstance(each, Cited) and each.citation.document_id is not None
            }
        return Taken(
            events=[each.event for each in waiting],
            sealed=[each.sealed for each in waiting],
            last_number=last_number,
            end_state=self._end_state,
            sealed_answer=sealed_answer,
            sealed_manifest=sealed_manifest,
            cited=sorted(cited),
        )

    def committed(self, taken: Taken) -> None:
        count = len(taken.events)
        self._facts.extend(each.fact for each in self._waiting[:count])
        del self._waiting[:count]
        self._committed_number = taken.last_number
        if taken.end_state is not None:
            self._ended = True
        if taken.events:
            self._live.publish(taken.events)
        else:
            self._live.confirm()
        self._go_on()

    def permitted(self, asked_at: float) -> None:
        """The run may go on, as the database said when it was asked: a time of the loop's clock."""
        self._live.confirm(asked_at)

    def stop(self, state: RunState, stored_number: int = 0) -> None:
        """The run may not go on: forget what waits, and interrupt whoever writes it.

        `stored_number` is that of the last stored event: a commit whose outcome was lost may
        have stored more than was known.
        """
        if self._stopped is None or state is not RunState.CANCELLED:
            self._keep_up_to(stored_number)
            self._waiting.clear()
            self._end_state = None
            self._stopped = RunStopped(state)
            if state is not RunState.CANCELLED:
                self._live.close()
            if self._interrupted is not None and not self._interrupting:
                self._interrupting = True
                self._interrupted.cancel()
        else:
            self._live.confirm()
        self._go_on()

    def _keep_up_to(self, stored_number: int) -> None:
        kept = [each for each in self._waiting if each.event.number <= stored_number]
        if kept:
            self._facts.extend(each.fact for each in kept)
            self._committed_number = stored_number
            self._live.publish([each.event for each in kept])

    def _enqueue(self, fact: Fact) -> None:
        number = self._waiting[-1].event.number if self._waiting else self._committed_number
        event = as_event(number + 1, fact)
        sealed = self._chat.seal_event(self.run.id, event)
        self._waiting.append(_Waiting(event, sealed, fact))
        self._wake(self)

    def _sealed_manifest(self, state: RunState, facts: Sequence[Fact], answer: str) -> bytes | None:
        if self._provenance is None:
            return None
        explained = explain(
            self._provenance,
            run=self.run,
            state=state,
            facts=facts,
            calls=self._calls,
            answer=answer,
        )
        return self._chat.seal_manifest(self.run.id, explained)

    def _assert_running(self) -> None:
        if self._stopped is not None:
            raise self._stopped

    async def _next_commit(self) -> None:
        if self._progress is None:
            self._progress = asyncio.Event()
        await self._progress.wait()

    def _go_on(self) -> None:
        if self._progress is not None:
            self._progress.set()
            self._progress = None
