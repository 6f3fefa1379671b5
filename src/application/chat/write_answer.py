"""Let the models talk: in time, one after the other before the first word, citations checked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from application.chat.failures import AnswerTooLong
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
from domain.chat.citation import QUOTE_CHARACTERS_MAX, marked, quoted
from domain.chat.event import Cited, Fallback, TextDelta, Usage
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


@dataclass(slots=True)
class _Written:
    """The answer so far."""

    parts: list[str] = field(default_factory=list)
    bytes_count: int = 0
    tail: str = ""

    def add(self, text: str) -> None:
        self.parts.append(text)
        self.bytes_count += len(text.encode())
        self.tail = (self.tail + text)[-QUOTE_CHARACTERS_MAX:]


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteAnswer:
    """Tries the models in order; once one has begun to talk, no other takes over."""

    models: Sequence[LanguageModel]
    limits: AnswerLimits

    async def __call__(self, *, prompt: Prompt, log: RunLog) -> None:
        """Raises what the last model raised, or the one that had begun to talk."""
        for position, model in enumerate(self.models):
            written = _Written()
            try:
                await self._talk(model, prompt, log, written)
                return
            except (ModelUnavailable, ModelFailed, ModelRefused) as refusal:
                if written.parts or position + 1 == len(self.models):
                    raise
                following = self.models[position + 1]
                fallback = Fallback(
                    from_model=model.name, to_model=following.name, reason=refusal.code
                )
                await log.append(fallback)

    async def _talk(
        self, model: LanguageModel, prompt: Prompt, log: RunLog, written: _Written
    ) -> None:
        excerpts = {excerpt.id: excerpt for excerpt in prompt.excerpts}
        spent: Spent | None = None
        async with aclosing(model.stream(prompt, self.limits.model)) as pieces:
            while (piece := await self._next(aiter(pieces), begun=bool(written.parts))) is not None:
                if isinstance(piece, Text):
                    written.add(piece.text)
                    if written.bytes_count > self.limits.answer_bytes_max:
                        raise AnswerTooLong
                    await log.append(TextDelta(text=piece.text))
                elif isinstance(piece, Spent):
                    spent = piece
                else:
                    # A quote that the answer does not repeat has no span to be found at.
                    end = piece.end if written.tail.endswith(piece.quote) else piece.start
                    citation = quoted(
                        excerpts,
                        piece.excerpt_id,
                        start=piece.start,
                        end=end,
                        quote=piece.quote,
                        answer_start=max(0, written.bytes_count - len(piece.quote.encode())),
                        answer_end=written.bytes_count,
                    )
                    await log.append(Cited(citation=citation))
        if not written.parts:
            raise ModelFailed("The language model said nothing.")
        if model.marks_sources:
            for citation in marked("".join(written.parts), excerpts):
                await log.append(Cited(citation=citation))
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
