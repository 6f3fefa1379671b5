"""Small chores, done now and then by every process that works: each is safe to do twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog

from application.ports import Signals

log = structlog.get_logger(__name__)

Chore = Callable[[], Awaitable[int]]
"""Does what there is to do, and says how much that was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """Runs each chore every `every_seconds`; one that fails is tried again next time.

    With `signals` it is woken for it by this topic, too.
    """

    chores: Mapping[str, Chore]
    every_seconds: float
    signals: Signals | None = None
    topic: str = ""
    done: Counter[str] = field(default_factory=Counter)
    """How much each chore has done since the start."""

    async def run(self) -> None:
        if self.signals is None:
            await self._run(asyncio.sleep)
            return
        with self.signals.listen(self.topic) as signal:
            await self._run(signal.wait)

    async def _run(self, pause: Callable[[float], Awaitable[None]]) -> None:
        while True:
            for name, chore in self.chores.items():
                try:
                    done = await chore()
                except Exception as error:  # noqa: BLE001 - whatever it is, there is a next time
                    log.warning("chore_failed", chore=name, error=type(error).__name__)
                else:
                    self.done[name] += done
                    if done:
                        log.info("chore_done", chore=name, count=done)
            await pause(self.every_seconds)
