"""The place of a model in a chain that names one which there is not."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from application.chat.language_model import ModelLimits, ModelNotInUse, Piece
from domain.chat.prompt import Prompt

_NOTHING: Sequence[Piece] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentModel:
    """`LanguageModel` that refuses: the next one is tried, and the run tells why."""

    name: str
    marks_sources: bool = False
    is_metered: bool = False

    async def stream(self, prompt: Prompt, limits: ModelLimits) -> AsyncGenerator[Piece, None]:
        for piece in _NOTHING:
            yield piece
        raise ModelNotInUse

    async def close(self) -> None:
        """There is nothing to release."""
