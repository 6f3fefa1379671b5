"""Call a model once: in time, what it says shown with its citations checked, what it took noted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import date

from application.chat.answer_limits import AnswerLimits
from application.chat.guardrails import Guardrails
from application.chat.hedge import Floor
from application.chat.language_model import (
    CutOff,
    LanguageModel,
    ModelSilent,
    ModelTooSlow,
    Piece,
    Spent,
    Text,
)
from application.chat.model_chain import ModelChain
from application.chat.ports import RunLog
from application.chat.shown_answer import ShownAnswer
from domain.chat.event import CUT_OFF, Usage
from domain.chat.model_call import ANSWERED, HEDGED, INTERRUPTED, ModelCall
from domain.chat.price import MICROS, Tokens
from domain.chat.prompt import Prompt, tokens_in
from domain.errors import Refusal

FRAME_TOKENS_MAX = 1_000
"""What a server may add to a prompt: marks between messages, a date, rules of its own."""


@dataclass(slots=True)
class _Written:
    """What a model said so far, shown or held back, and what it took."""

    model: str
    began_at: float
    parts: list[str] = field(default_factory=list)
    first_piece_seconds: float | None = None
    spent: Spent | None = None
    is_cut_off: bool = False

    def add(self, text: str) -> None:
        if self.first_piece_seconds is None:
            self.first_piece_seconds = asyncio.get_running_loop().time() - self.began_at
        self.parts.append(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallModel:
    """Each call that was made, however it ended, is appended to `calls`. `day` is the one whose
    prices hold."""

    chain: ModelChain
    guardrails: Guardrails
    limits: AnswerLimits
    day: date
    prompt: Prompt
    log: RunLog
    calls: list[ModelCall]
    _answers: list[ShownAnswer] = field(default_factory=list)

    @property
    def was_heard(self) -> bool:
        """Whether something of what a model said was shown."""
        return any(answer.has_begun for answer in self._answers)

    def standing_in(self) -> CallModel:
        """For a model that is called because others have failed; what was said counts on."""
        return replace(self, prompt=replace(self.prompt, is_left_over=True))

    async def __call__(self, model: LanguageModel, floor: Floor) -> None:
        """Raises what the model raises, ModelTooSlow, ModelSilent, or AnswerTooLong."""
        written = _Written(model.name, began_at=asyncio.get_running_loop().time())
        answer = ShownAnswer(
            log=self.log,
            guardrails=self.guardrails,
            excerpts={excerpt.id: excerpt for excerpt in self.prompt.excerpts},
            bytes_max=self.limits.answer_bytes_max,
        )
        self._answers.append(answer)
        outcome = INTERRUPTED
        try:
            await self._talk(model, answer, written, floor)
            outcome = ANSWERED
        except Refusal as refusal:
            outcome = refusal.code
            raise
        finally:
            if floor.is_lost_by(model.name):
                outcome = HEDGED
            call = self._told(model, written, outcome)
            self.calls.append(call)
        if model.is_metered or written.spent is not None:
            await self.log.append(self._usage(call))

    async def _talk(
        self, model: LanguageModel, answer: ShownAnswer, written: _Written, floor: Floor
    ) -> None:
        async with aclosing(model.stream(self.prompt, self.limits.model)) as pieces:
            while (piece := await self._next(aiter(pieces), begun=bool(written.parts))) is not None:
                if isinstance(piece, Text):
                    if not written.parts:
                        await floor.take(model.name)
                    written.add(piece.text)
                    await answer.say(piece.text)
                elif isinstance(piece, Spent):
                    written.spent = piece
                elif isinstance(piece, CutOff):
                    written.is_cut_off = True
                else:
                    await answer.quote(piece)
        await answer.finish(marks_sources=model.marks_sources)
        if not answer.has_begun:
            raise ModelSilent
        if written.is_cut_off:
            await self.log.append(CUT_OFF)

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

    def _told(self, model: LanguageModel, written: _Written, outcome: str) -> ModelCall:
        """What the call took: as the model says, else as far as can be told from here.

        One answer does not use up a budget because of a number that cannot be.
        """
        spent = written.spent if self._can_be(written) else None
        estimated = spent is None and model.is_metered and _was_read(written, outcome)
        if spent is not None:
            tokens = Tokens(
                input=spent.input_tokens,
                cached=min(spent.cached_tokens, spent.input_tokens),
                output=spent.output_tokens,
            )
        elif estimated:
            read = sum(tokens_in(each.text) for each in self.prompt.instructions)
            wrote = tokens_in("".join(written.parts)) if written.parts else 0
            tokens = Tokens(input=read, output=wrote)
        else:
            tokens = Tokens()
        return ModelCall(
            model=model.name,
            outcome=outcome,
            tokens=tokens,
            is_estimated=estimated,
            cost_micros=self.chain.cost_of(model.name, tokens, self.day),
            first_piece_seconds=written.first_piece_seconds,
        )

    def _can_be(self, written: _Written) -> bool:
        """A token is a byte at least, but for those that a server puts between the messages; what a
        model thinks before it speaks is within what it may write."""
        if written.spent is None:
            return False
        read = sum(len(each.text.encode()) for each in self.prompt.instructions)
        wrote = sum(len(part.encode()) for part in written.parts)
        return (
            written.spent.input_tokens <= read + FRAME_TOKENS_MAX
            and written.spent.output_tokens <= max(wrote, self.limits.model.output_tokens_max)
        )

    def _usage(self, call: ModelCall) -> Usage:
        cost = call.cost_micros
        return Usage(
            model=call.model,
            input_tokens=call.tokens.input,
            output_tokens=call.tokens.output,
            cost=None if cost is None else cost / MICROS,
            currency=self.chain.prices.currency,
            estimated=call.is_estimated,
        )


def _was_read(written: _Written, outcome: str) -> bool:
    """Whether the prompt was taken in, as far as can be told: it may be on somebody's bill."""
    return bool(written.parts) or outcome in (ANSWERED, ModelTooSlow.code, INTERRUPTED, HEDGED)
