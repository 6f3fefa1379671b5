"""A hedge: a second model, called beside a first one that does not begin to speak."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TypeAlias

from application.chat.language_model import LanguageModel
from application.chat.ports import RunLog
from domain.chat.event import Fallback
from domain.chat.model_call import HEDGED
from domain.errors import Refusal


@dataclass(slots=True, kw_only=True)
class Floor:
    """A model takes it with its first word. Until then, nobody has said anything."""

    speaker: str | None = None

    async def take(self, model: str) -> None:
        self.speaker = model

    def is_lost_by(self, model: str) -> bool:
        return self.speaker not in (None, model)


Try: TypeAlias = Callable[[LanguageModel, Floor], Coroutine[None, None, Refusal | None]]
"""Why the model failed; None: it answered."""


@dataclass(slots=True, kw_only=True)
class Race(Floor):
    """Two models on one floor. Whoever takes it stops the other there and then."""

    first: LanguageModel
    second: LanguageModel
    log: RunLog
    _tries: dict[str, asyncio.Task[Refusal | None]] = field(default_factory=dict)

    async def take(self, model: str) -> None:
        self.speaker = model
        for name, other in self._tries.items():
            if name != model:
                other.cancel()  # also where its own first word has just come: it is not heard
        if model == self.second.name:
            await self._tell()

    async def run(self, attempt: Try, seconds: float) -> tuple[int, Refusal | None]:
        """Try the first, and the second where the first says nothing for so many seconds.

        Which of them was the last (0 or 1), and why it failed; None: it answered.
        """
        tries = self._tries
        try:
            tries[self.first.name] = asyncio.create_task(attempt(self.first, self))
            await asyncio.wait(tries.values(), timeout=seconds)
            if self.speaker is None and not tries[self.first.name].done():
                tries[self.second.name] = asyncio.create_task(attempt(self.second, self))
            done, _ = await asyncio.wait(tries.values(), return_when=asyncio.FIRST_EXCEPTION)
            for each in done:
                if not each.cancelled():
                    each.result()  # what nobody anticipated is raised here
        finally:
            for each in tries.values():
                each.cancel()
            await asyncio.gather(*tries.values(), return_exceptions=True)
        if self.speaker == self.first.name or self.second.name not in tries:
            return 0, tries[self.first.name].result()
        if self.speaker is None:  # both have failed
            await self._tell()
        return 1, tries[self.second.name].result()

    async def _tell(self) -> None:
        """That the second took over, and whether the first had failed or was slow."""
        first = self._tries[self.first.name]
        failure = first.result() if first.done() else None
        reason = HEDGED if failure is None else failure.code
        await self.log.append(
            Fallback(from_model=self.first.name, to_model=self.second.name, reason=reason)
        )
