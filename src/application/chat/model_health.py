"""How the models do: one circuit breaker for each, shared by all runs of this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from application.chat.language_model import (
    ModelFailed,
    ModelLockedOut,
    ModelResting,
    ModelUnavailable,
)
from domain.breaker import Breaker, BreakerLimits, BreakerState


@dataclass(slots=True, kw_only=True)
class ModelHealth:
    """Belongs to one event loop. Other processes find out by themselves."""

    limits: BreakerLimits = field(default_factory=BreakerLimits)
    _breakers: dict[str, Breaker] = field(default_factory=dict, init=False)

    @contextmanager
    def calling(self, model: str) -> Iterator[None]:
        """Around a call. What it raises, or that it raises nothing, tells how the model does.

        Raises ModelResting where the model is left alone, or somebody else is trying it now.
        """
        breaker = self._of(model)
        if not breaker.admits(_now()):
            raise ModelResting
        self._breakers[model] = breaker.called(_now())
        try:
            yield
        except (ModelUnavailable, ModelFailed, ModelLockedOut) as failure:
            rest = failure.rest_seconds if isinstance(failure, ModelUnavailable) else 0
            self._breakers[model] = self._of(model).failed(_now(), rest_seconds=rest)
            raise
        except BaseException:
            self._breakers[model] = self._of(model).given_up()
            raise
        self._breakers[model] = self._of(model).succeeded()

    def states(self) -> Mapping[str, BreakerState]:
        """Of the models that were called so far."""
        return {model: breaker.state(_now()) for model, breaker in self._breakers.items()}

    def _of(self, model: str) -> Breaker:
        return self._breakers.get(model) or Breaker(limits=self.limits)


def _now() -> float:
    """Of the loop's clock, which only goes forward."""
    return asyncio.get_running_loop().time()
