"""Let the models talk: one after the other, or beside each other, until one says its first word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from application.chat.answer_limits import AnswerLimits
from application.chat.call_model import CallModel
from application.chat.hedge import Floor, Race
from application.chat.language_model import (
    LanguageModel,
    ModelBrokeOff,
    ModelFailed,
    ModelRefused,
    ModelResting,
    ModelTooSlow,
    ModelUnavailable,
)
from application.chat.model_chain import ModelChain, hedged_in
from application.chat.model_health import ModelHealth
from application.chat.ports import RunLog
from domain.chat.budget import Amount
from domain.chat.event import Fallback
from domain.chat.model_call import NOT_RESERVED, PRICE_UNKNOWN, ModelCall
from domain.chat.price import Tokens
from domain.errors import Refusal

_FAILURES = (ModelUnavailable, ModelFailed, ModelRefused)


class ModelPriceUnknown(ModelRefused):
    """What the language model costs today is not known, and there is a budget to keep."""

    code = PRICE_UNKNOWN


class ModelNotReserved(ModelRefused):
    """The chain was changed after the question was asked: so much was not set aside for it."""

    code = NOT_RESERVED


_NOT_CALLED = (ModelResting, ModelPriceUnknown, ModelNotReserved)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteAnswer:
    """Tries the models in order; once something of what one says was shown, no other takes over.

    `reserved` is what pays for calls, of `tokens` at most each; `chance` gives numbers from 0 to
    1, so that those who wait do not wait in step.
    """

    chain: ModelChain
    health: ModelHealth
    limits: AnswerLimits
    chance: Callable[[], float]
    tokens: Tokens
    reserved: Amount | None
    call: CallModel

    async def __call__(self, *, model: str, log: RunLog) -> None:
        """Raises what the last model raised, or the one that had begun to talk."""
        models = self.chain.beginning_with(model)
        position, failure = await self._begin(models, log)
        while failure is not None:
            if self.call.was_heard or position + 1 == len(models):
                raise failure
            failed, following = models[position : position + 2]
            await log.append(
                Fallback(from_model=failed.name, to_model=following.name, reason=failure.code)
            )
            stand_in = replace(self, call=self.call.standing_in())
            position, failure = position + 1, await stand_in._try(following, Floor())

    async def _begin(
        self, models: Sequence[LanguageModel], log: RunLog
    ) -> tuple[int, Refusal | None]:
        """Try the first, with a hedge where there is one. Which was the last, and how it failed."""
        seconds, pair = self.limits.hedge_seconds, hedged_in(models)
        if seconds is None or not pair or not self._is_reserved(*pair):
            return 0, await self._try(models[0], Floor())
        first, second = pair
        return await Race(first=first, second=second, log=log).run(self._try, seconds)

    async def _try(self, model: LanguageModel, floor: Floor) -> Refusal | None:
        """Call a model, and again after a pause where that may help and nothing was said.

        Why it failed; None: it answered.
        """
        attempt = 1
        while True:
            try:
                self._assert_paid(model)
                with self.health.calling(model.name):
                    await self.call(model, floor)
                return None
            except _FAILURES as failure:
                if isinstance(failure, _NOT_CALLED):
                    self.call.calls.append(ModelCall(model=model.name, outcome=failure.code))
                has_begun = floor.speaker is not None
                pause = None if has_begun else self._pause_after(failure, attempt)
                if pause is None:
                    return failure
            await asyncio.sleep(pause)
            attempt += 1

    def _assert_paid(self, model: LanguageModel) -> None:
        if model.is_metered and not self.chain.is_affordable(model.name, self.call.day):
            raise ModelPriceUnknown
        if not self._is_reserved(model):
            raise ModelNotReserved

    def _is_reserved(self, *models: LanguageModel) -> bool:
        amount = self.chain.amount_of(models, self.tokens, self.call.day)
        return amount is None or (self.reserved is not None and self.reserved.covers(amount))

    def _pause_after(self, failure: Refusal, attempt: int) -> float | None:
        """Seconds to wait before the same model is tried again; None: it is not."""
        passing = isinstance(failure, ModelUnavailable | ModelBrokeOff)
        if not passing or isinstance(failure, ModelTooSlow | ModelResting):
            return None
        if attempt == self.limits.attempts_max:
            return None
        rest = failure.rest_seconds if isinstance(failure, ModelUnavailable) else 0
        longest = min(self.limits.pause_seconds * 2 ** (attempt - 1), self.limits.pause_seconds_max)
        pause = rest + longest * self.chance()
        return pause if pause <= self.limits.pause_seconds_max else None
