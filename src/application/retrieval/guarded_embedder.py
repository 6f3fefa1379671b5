"""An embedder of which no search waits for long: behind a limit of time and a circuit breaker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from application.retrieval.embedder import Embedder, EmbedderUnavailable, Vector
from domain.breaker import Breaker, BreakerLimits, BreakerState
from domain.language import Language

PROBE = "ready?"
"""What it is asked to see whether it is back: never a question of anybody's."""


class EmbedderTooSlow(EmbedderUnavailable):
    """The embedding model takes too long; search goes on by keyword."""

    code = "embedder_too_slow"


class EmbedderResting(EmbedderUnavailable):
    """The embedding model failed again and again, and is left alone; search goes on by keyword."""

    code = "embedder_resting"


class QueryOutcome(StrEnum):
    """How asking for the vector of a query ended. Resting: it was not even asked."""

    EMBEDDED = "embedded"
    UNAVAILABLE = "unavailable"
    TOO_SLOW = "too_slow"
    RESTING = "resting"
    GIVEN_UP = "given_up"


class EmbedderMeter(Protocol):
    """Counts what embedders do. Never fails, and takes no time worth mentioning."""

    def asked(self, model: str, outcome: QueryOutcome, seconds: float) -> None:
        """A query was embedded, or not; `seconds` is what the search waited for it."""
        ...


@dataclass(slots=True, kw_only=True)
class GuardedEmbedder:
    """`Embedder` around another, for one event loop.

    A query takes `query_seconds_max` at most. After some failures in a row nobody waits at all:
    the breaker opens, and once its rest is over a single probe beside the searches finds out
    whether the model is back. Passages are not in a hurry and go through: whoever embeds them
    tries again later.
    """

    embedder: Embedder
    meter: EmbedderMeter
    query_seconds_max: float = 0.3
    limits: BreakerLimits = field(default_factory=BreakerLimits)
    _breaker: Breaker = field(init=False)
    _probe: asyncio.Task[None] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._breaker = Breaker(limits=self.limits)

    @property
    def model(self) -> str:
        return self.embedder.model

    @property
    def dimensions(self) -> int:
        return self.embedder.dimensions

    @property
    def languages(self) -> frozenset[Language] | None:
        """What it reads; one that does not say so reads everything."""
        return getattr(self.embedder, "languages", None)

    @property
    def state(self) -> BreakerState:
        return self._breaker.state(_now())

    async def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        return await self.embedder.embed_passages(texts)

    async def embed_query(self, text: str) -> Vector:
        """Raises EmbedderUnavailable: of its kinds, EmbedderTooSlow and EmbedderResting."""
        if self.state is not BreakerState.CLOSED:
            self._look_whether_it_is_back()
            self.meter.asked(self.model, QueryOutcome.RESTING, 0.0)
            raise EmbedderResting
        return await self._asked(text)

    async def warm(self) -> None:
        """Make the model ready, where there is something to make ready."""
        warm = getattr(self.embedder, "warm", None)
        if warm is not None:
            await warm()

    async def close(self) -> None:
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.wait([self._probe])
        close = getattr(self.embedder, "close", None)
        if close is not None:
            await close()

    def _look_whether_it_is_back(self) -> None:
        if self._breaker.admits(_now()):
            self._breaker = self._breaker.called(_now())
            self._probe = asyncio.create_task(self._probed(), name="embedder-probe")

    async def _probed(self) -> None:
        with suppress(EmbedderUnavailable):  # the breaker knows
            await self._asked(PROBE)

    async def _asked(self, text: str) -> Vector:
        began, outcome = _now(), QueryOutcome.GIVEN_UP
        try:
            async with asyncio.timeout(self.query_seconds_max):
                vector = await self.embedder.embed_query(text)
            outcome = QueryOutcome.EMBEDDED
        except EmbedderUnavailable:
            outcome = QueryOutcome.UNAVAILABLE
            raise
        except TimeoutError:
            outcome = QueryOutcome.TOO_SLOW
            raise EmbedderTooSlow from None
        finally:
            self._learn(outcome)
            self.meter.asked(self.model, outcome, _now() - began)
        return vector

    def _learn(self, outcome: QueryOutcome) -> None:
        if outcome is QueryOutcome.EMBEDDED:
            # Whoever was asked before the breaker opened, and answers after, does not close it.
            if self._breaker.state(_now()) is not BreakerState.OPEN:
                self._breaker = self._breaker.succeeded()
        elif outcome is QueryOutcome.GIVEN_UP:
            self._breaker = self._breaker.given_up()
        else:
            self._breaker = self._breaker.failed(_now())


def _now() -> float:
    """Of the loop's clock, which only goes forward."""
    return asyncio.get_running_loop().time()
