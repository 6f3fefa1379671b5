"""Follow a run: its events after a number, live or from the store, up to the terminal one.

In this process events come from memory once they are committed; from another one they are read
from the store after a wake-up, and once a second anyway. Both are the same bytes.

An answer may come to rest on a grant that demands a second factor of its reader, once the run has
begun. Whoever reads without one reads where that is looked at with the events: from the store,
unless it was asked without one, too, so that it cannot rest on such a grant.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from application.chat.live_runs import TRUST_SECONDS, LiveRun, LiveRuns
from application.chat.ports import Chats, RunPage
from application.chat.sealed_chat import SealedChat, sealed_chat
from application.chat.shared_looks import SharedLooks
from application.ports import Cipher, OwnKeys, Signal, Signals
from domain.chat.event import AccessRevoked, AnswerKept, Event, as_event
from domain.chat.run import Run, RunNotFound, RunState, Withdrawal
from domain.identity import Acr, Caller, RunId

POLL_SECONDS = 1.0

Events = AsyncGenerator[Event, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowRun:
    """Bounded in memory however slow the reader: nothing is queued for it, it comes and takes."""

    chats: Chats
    looks: SharedLooks
    live: LiveRuns
    signals: Signals
    own_keys: OwnKeys
    cipher: Cipher

    async def __call__(self, *, caller: Caller, run_id: RunId, after: int) -> Events:
        """The events to come. Raises RunNotFound, AnswerWithdrawn if it was taken back, and
        StepUpRequired, also later, where a grant that it rests on demands more of its reader."""
        run = await self.chats.run(caller, run_id)
        if run is None:
            raise RunNotFound
        run.assert_replayable(caller.acr)
        chat = await sealed_chat(self.own_keys, self.cipher, caller, run.conversation_id)
        if chat is None:
            raise RunNotFound
        return self._follow(caller, run, chat, after)

    async def _follow(self, caller: Caller, run: Run, chat: SealedChat, number: int) -> Events:
        with self.signals.listen(f"events:{run.id}") as news:
            while True:
                async for event in self._from_memory(caller, run.id, number):
                    yield event
                    number = event.number
                    if event.type.is_terminal:
                        return
                page = await self._look(caller, run.id, chat, number)
                for event in page.events:
                    if not page.is_fresh():
                        break
                    if event.type.is_terminal and page.kept is not None:
                        yield as_event(number, AnswerKept(kept=page.kept))
                    yield event
                    number = event.number
                    if event.type.is_terminal:
                        return
                else:
                    if page.over_without_events:
                        return
                    if not page.has_more:
                        await self._pause(caller, run.id, news)

    async def _from_memory(self, caller: Caller, run_id: RunId, number: int) -> Events:
        """Ends when the store must be asked: the reader is behind, or the run is not trusted."""
        run = self._live(caller, run_id)
        while run is not None and (events := run.after(number)) is not None:
            for event in events:
                if not run.is_trusted:
                    return
                yield event
                number = event.number
            await run.changed(number)

    async def _look(self, caller: Caller, run_id: RunId, chat: SealedChat, number: int) -> _Look:
        page = await self.looks.page(caller, run_id, after=number)
        if page is None:  # deleted with its conversation
            raise RunNotFound
        if page.run.state is RunState.ACCESS_REVOKED:
            withdrawal = page.run.withdrawal or Withdrawal(reason="access_revoked")
            last = as_event(number + 1, AccessRevoked(withdrawal=withdrawal))
            return _Look(page, [last])
        page.run.assert_replayable(caller.acr)
        return _Look(page, [chat.open_event(run_id, each) for each in page.events])

    async def _pause(self, caller: Caller, run_id: RunId, news: Signal) -> None:
        """Wait for news, unless they are to be had from memory. What came since the look counts."""
        live = self._live(caller, run_id)
        if live is None or not live.is_trusted:
            await news.wait(POLL_SECONDS)

    def _live(self, caller: Caller, run_id: RunId) -> LiveRun | None:
        """The run in memory, where this caller may read it there."""
        run = self.live.find(run_id)
        return run if run is not None and caller.acr in (run.acr, Acr.MFA) else None


class _Look:
    """What the store said, and when: what was permitted then may be shown for a second."""

    def __init__(self, page: RunPage, events: Sequence[Event]) -> None:
        self.events = events
        self.kept = page.run.kept
        self.has_more = page.has_more
        self.over_without_events = page.run.state.is_over and not events
        self._asked_at = page.asked_at
        self._loop = asyncio.get_running_loop()

    def is_fresh(self) -> bool:
        return self._loop.time() - self._asked_at <= TRUST_SECONDS
