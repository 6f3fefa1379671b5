"""Let the models talk: in time, one after the other before the first word, citations checked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import date

from application.chat.guardrails import Guardrails
from application.chat.language_model import (
    LanguageModel,
    ModelBrokeOff,
    ModelFailed,
    ModelLimits,
    ModelRefused,
    ModelResting,
    ModelSilent,
    ModelTooSlow,
    ModelUnavailable,
    Piece,
    Spent,
    Text,
)
from application.chat.model_chain import ModelChain
from application.chat.model_health import ModelHealth
from application.chat.ports import RunLog
from application.chat.shown_answer import ShownAnswer
from domain.chat.budget import Amount
from domain.chat.event import Fallback, Usage
from domain.chat.model_call import ANSWERED, INTERRUPTED, ModelCall
from domain.chat.price import MICROS, Tokens
from domain.chat.prompt import Prompt, tokens_at_most, tokens_in
from domain.chat.question import Question
from domain.errors import Refusal

_FAILURES = (ModelUnavailable, ModelFailed, ModelRefused)


class ModelPriceUnknown(ModelRefused):
    """What the language model costs today is not known, and there is a budget to keep."""

    code = "model_price_unknown"


class ModelNotReserved(ModelRefused):
    """The chain was changed after the question was asked: so much was not set aside for it."""

    code = "model_not_reserved"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLimits:
    """What one answer may take. `history_tokens_max` 0: earlier answers do not go in a prompt.

    A model that did not say a word is tried again after a pause, so many times in all; where it
    asks for a longer pause than `pause_seconds_max`, the next one is tried.
    """

    first_piece_seconds_max: float = 30.0
    piece_seconds_max: float = 30.0
    run_seconds_max: float = 300.0
    answer_bytes_max: int = 256 * 1024
    excerpts_max: int = 8
    history_tokens_max: int = 0
    attempts_max: int = 2
    pause_seconds: float = 0.25
    pause_seconds_max: float = 2.0
    model: ModelLimits = field(default_factory=ModelLimits)

    def tokens_at_most(self, question: Question) -> Tokens:
        """What one call of a model takes."""
        return tokens_at_most(
            question,
            history_tokens_max=self.history_tokens_max,
            excerpts_max=self.excerpts_max,
            output_tokens_max=self.model.output_tokens_max,
        )


@dataclass(slots=True)
class _Written:
    """What a model said so far, shown or held back, and what it took."""

    model: str
    began_at: float
    parts: list[str] = field(default_factory=list)
    first_piece_seconds: float | None = None
    spent: Spent | None = None

    def add(self, text: str) -> None:
        if self.first_piece_seconds is None:
            self.first_piece_seconds = asyncio.get_running_loop().time() - self.began_at
        self.parts.append(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteAnswer:
    """Tries the models in order; once something of what one says was shown, no other takes over.

    Each call that was made, however it ended, is appended to `calls`. `day` is the one whose
    prices hold, `reserved` what pays for calls of `tokens` at most; `chance` gives numbers from 0
    to 1, so that those who wait do not wait in step.
    """

    chain: ModelChain
    health: ModelHealth
    guardrails: Guardrails
    limits: AnswerLimits
    chance: Callable[[], float]
    day: date
    tokens: Tokens
    reserved: Amount | None
    calls: list[ModelCall]

    async def __call__(self, *, model: str, prompt: Prompt, log: RunLog) -> None:
        """Raises what the last model raised, or the one that had begun to talk."""
        models = self.chain.beginning_with(model)
        answers: list[ShownAnswer] = []
        for position, each in enumerate(models):
            try:
                await self._try(each, prompt, log, answers)
                return
            except _FAILURES as failure:
                if isinstance(failure, ModelResting | ModelPriceUnknown | ModelNotReserved):
                    self.calls.append(ModelCall(model=each.name, outcome=failure.code))
                if any(answer.has_begun for answer in answers) or position + 1 == len(models):
                    raise
                following = models[position + 1].name
                await log.append(
                    Fallback(from_model=each.name, to_model=following, reason=failure.code)
                )

    async def _try(
        self, model: LanguageModel, prompt: Prompt, log: RunLog, answers: list[ShownAnswer]
    ) -> None:
        """Call a model, and again after a pause where that may help and nothing was said."""
        if model.is_metered and not self.chain.is_affordable(model.name, self.day):
            raise ModelPriceUnknown
        if not self._is_reserved(model):
            raise ModelNotReserved
        for attempt in range(1, self.limits.attempts_max + 1):
            try:
                with self.health.calling(model.name):
                    await self._call(model, prompt, log, answers)
                return
            except _FAILURES as failure:
                pause = self._pause_after(failure, attempt)
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    def _is_reserved(self, model: LanguageModel) -> bool:
        amount = self.chain.amount_of(model, self.tokens, self.day)
        return amount is None or (self.reserved is not None and self.reserved.covers(amount))

    def _pause_after(self, failure: Refusal, attempt: int) -> float | None:
        """Seconds to wait before the same model is tried again; None: it is not."""
        begun = bool(self.calls) and self.calls[-1].first_piece_seconds is not None
        passing = isinstance(failure, ModelUnavailable | ModelBrokeOff)
        if begun or not passing or isinstance(failure, ModelTooSlow | ModelResting):
            return None
        if attempt == self.limits.attempts_max:
            return None
        rest = failure.rest_seconds if isinstance(failure, ModelUnavailable) else 0
        longest = min(self.limits.pause_seconds * 2 ** (attempt - 1), self.limits.pause_seconds_max)
        pause = rest + longest * self.chance()
        return pause if pause <= self.limits.pause_seconds_max else None

    async def _call(
        self, model: LanguageModel, prompt: Prompt, log: RunLog, answers: list[ShownAnswer]
    ) -> None:
        written = _Written(model.name, began_at=asyncio.get_running_loop().time())
        answer = ShownAnswer(
            log=log,
            guardrails=self.guardrails,
            excerpts={excerpt.id: excerpt for excerpt in prompt.excerpts},
            bytes_max=self.limits.answer_bytes_max,
        )
        answers.append(answer)
        outcome = INTERRUPTED
        try:
            await self._talk(model, prompt, answer, written)
            outcome = ANSWERED
        except Refusal as refusal:
            outcome = refusal.code
            raise
        finally:
            self.calls.append(self._told(model, prompt, written, outcome))
        if model.is_metered or written.spent is not None:
            await log.append(self._usage(self.calls[-1]))

    async def _talk(
        self, model: LanguageModel, prompt: Prompt, answer: ShownAnswer, written: _Written
    ) -> None:
        async with aclosing(model.stream(prompt, self.limits.model)) as pieces:
            while (piece := await self._next(aiter(pieces), begun=bool(written.parts))) is not None:
                if isinstance(piece, Text):
                    written.add(piece.text)
                    await answer.say(piece.text)
                elif isinstance(piece, Spent):
                    written.spent = piece
                else:
                    await answer.quote(piece)
        await answer.finish(marks_sources=model.marks_sources)
        if not answer.has_begun:
            raise ModelSilent

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

    def _told(
        self, model: LanguageModel, prompt: Prompt, written: _Written, outcome: str
    ) -> ModelCall:
        """What the call took: as the model says, else as far as can be told from here."""
        spent = written.spent
        estimated = spent is None and model.is_metered and _was_read(written, outcome)
        if spent is not None:
            tokens = Tokens(
                input=spent.input_tokens,
                cached=min(spent.cached_tokens, spent.input_tokens),
                output=spent.output_tokens,
            )
        elif estimated:
            read = sum(tokens_in(each.text) for each in prompt.instructions)
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
    return bool(written.parts) or outcome in (ANSWERED, ModelTooSlow.code, INTERRUPTED)
