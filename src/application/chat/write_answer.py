"""Let the models talk: in time, one after the other before the first word, citations checked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from application.chat.guardrails import Guardrails
from application.chat.language_model import (
    LanguageModel,
    ModelFailed,
    ModelLimits,
    ModelRefused,
    ModelTooSlow,
    ModelUnavailable,
    Piece,
    Spent,
    Text,
)
from application.chat.ports import RunLog
from application.chat.shown_answer import ShownAnswer
from domain.chat.event import Fallback, Usage
from domain.chat.prompt import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLimits:
    """What one answer may take. `history_tokens_max` 0: earlier answers do not go in a prompt."""

    first_piece_seconds_max: float = 30.0
    piece_seconds_max: float = 30.0
    run_seconds_max: float = 300.0
    answer_bytes_max: int = 256 * 1024
    excerpts_max: int = 8
    history_tokens_max: int = 0
    model: ModelLimits = field(default_factory=ModelLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteAnswer:
    """Tries the models in order; once one has begun to talk, no other takes over."""

    models: Sequence[LanguageModel]
    guardrails: Guardrails
    limits: AnswerLimits

    async def __call__(self, *, prompt: Prompt, log: RunLog) -> None:
        """Raises what the last model raised, or the one that had begun to talk."""
        excerpts = {excerpt.id: excerpt for excerpt in prompt.excerpts}
        for position, model in enumerate(self.models):
            answer = ShownAnswer(
                log=log,
                guardrails=self.guardrails,
                excerpts=excerpts,
                bytes_max=self.limits.answer_bytes_max,
            )
            try:
                await self._talk(model, prompt, log, answer)
                return
            except (ModelUnavailable, ModelFailed, ModelRefused) as refusal:
                if answer.has_begun or position + 1 == len(self.models):
                    raise
                following = self.models[position + 1]
                fallback = Fallback(
                    from_model=model.name, to_model=following.name, reason=refusal.code
                )
                await log.append(fallback)

    async def _talk(
        self, model: LanguageModel, prompt: Prompt, log: RunLog, answer: ShownAnswer
    ) -> None:
        spent: Spent | None = None
        async with aclosing(model.stream(prompt, self.limits.model)) as pieces:
            while (piece := await self._next(aiter(pieces), begun=answer.has_begun)) is not None:
                if isinstance(piece, Text):
                    await answer.say(piece.text)
                elif isinstance(piece, Spent):
                    spent = piece
                else:
                    await answer.quote(piece)
        await answer.finish(marks_sources=model.marks_sources)
        if not answer.has_begun:
            raise ModelFailed("The language model said nothing.")
        if spent is not None:
            await log.append(
                Usage(
                    model=model.name,
                    input_tokens=spent.input_tokens,
                    output_tokens=spent.output_tokens,
                )
            )

    async def _next(self, pieces: AsyncIterator[Piece], *, begun: bool) -> Piece | None:
        limits = self.limits
        seconds = limits.piece_seconds_max if begun else limits.first_piece_seconds_max
        try:
            async with asyncio.timeout(seconds) as deadline:
                return await anext(pieces, None)
        except TimeoutError as late:
            if not deadline.expired():
                raise
            raise ModelTooSlow from late
