"""The events of the runs of this process, kept in memory for whoever follows them live.

Events come here after their commit, so nobody sees here what the store does not have. The store
stays the truth: a reader that falls behind, or whose run could not be looked at for a second,
reads from there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from domain.chat.event import Event
from domain.identity import Acr, RunId

EVENTS_MAX = 512
TRUST_SECONDS = 1.0


class LiveRun:
    """The last events of one run, oldest first, and whether they may still be shown."""

    def __init__(
        self, run_id: RunId, *, acr: Acr, events_max: int = EVENTS_MAX, told: int = 0
    ) -> None:
        """`acr` is that of who asked; `told` events are in the store from before."""
        self.run_id = run_id
        self.acr = acr
        self._events: list[Event] = []  # a deque would begin with room for 64
        self._events_max = events_max
        self._loop = asyncio.get_running_loop()
        self._confirmed_at = self._loop.time()
        self._last = told
        self._closed = False
        self._left = False
        self._readers: set[asyncio.Future[None]] = set()

    @property
    def is_trusted(self) -> bool:
        """Whether the run was looked at within the last second, and was still permitted."""
        return not self._closed and self._loop.time() - self._confirmed_at <= TRUST_SECONDS

    def confirm(self, asked_at: float | None = None) -> None:
        """The store was asked, just now or at that time of the loop, and the run may go on."""
        when = self._loop.time() if asked_at is None else asked_at
        self._confirmed_at = max(self._confirmed_at, when)

    def publish(self, events: Sequence[Event]) -> None:
        """Show events that are committed."""
        self.confirm()
        self._events.extend(events)
        del self._events[: -self._events_max]
        self._last = self._events[-1].number
        self._wake()

    def close(self) -> None:
        """Show nothing more from memory; readers look into the store."""
        self._closed = True
        self._events.clear()
        self._wake()

    def after(self, number: int) -> Sequence[Event] | None:
        """The events after this number, none if there are none yet; None: ask the store."""
        missing = self._last - number
        if not self.is_trusted or missing > len(self._events) or missing < 0:
            return None
        if self._left and not missing:
            return None
        return self._events[len(self._events) - missing :]

    async def changed(self, number: int) -> None:
        """Return once there is something after this number, or nothing to be had here."""
        if self._last > number or self._closed or self._left:
            return
        reader = self._loop.create_future()
        self._readers.add(reader)
        try:
            await reader
        finally:
            self._readers.discard(reader)

    def leave(self) -> None:
        """Nothing more comes; whoever is still reading may finish."""
        self._left = True
        self._wake()

    def _wake(self) -> None:
        for reader in self._readers:
            if not reader.done():
                reader.set_result(None)


class LiveRuns:
    """The runs that this process executes now."""

    def __init__(self) -> None:
        self._runs: dict[RunId, LiveRun] = {}

    def find(self, run_id: RunId) -> LiveRun | None:
        return self._runs.get(run_id)

    @contextmanager
    def live(self, run_id: RunId, *, acr: Acr, told: int = 0) -> Iterator[LiveRun]:
        """Keep a run's events until it has ended; whoever reads them then may finish."""
        run = self._runs[run_id] = LiveRun(run_id, acr=acr, told=told)
        try:
            yield run
        finally:
            del self._runs[run_id]
            run.leave()
