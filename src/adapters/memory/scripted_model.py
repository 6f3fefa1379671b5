"""A model that says what it was told to say, for tests and demonstrations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from application.chat.language_model import ModelLimits, Piece
from domain.chat.prompt import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedModel:
    """`LanguageModel`. A number in the script is a pause in seconds, an event is waited for, an
    exception is raised."""

    script: Sequence[Piece | float | asyncio.Event | Exception]
    pause_seconds: float = 0.0
    name: str = "scripted"
    marks_sources: bool = True
    is_metered: bool = True

    async def stream(self, prompt: Prompt, limits: ModelLimits) -> AsyncGenerator[Piece, None]:
        for step in self.script:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, asyncio.Event):
                await step.wait()
                continue
            if isinstance(step, int | float):
                await asyncio.sleep(step)
                continue
            if self.pause_seconds:
                await asyncio.sleep(self.pause_seconds)
            yield step

    async def close(self) -> None:
        """There is nothing to release."""
