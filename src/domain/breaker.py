"""A circuit breaker: what fails again and again is left alone for a while.

Time is passed in, in seconds of any clock that only goes forward.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum


class BreakerState(StrEnum):
    """Closed: calls go through. Open: none does. Half open: one does, and decides."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """After so many failures in a row it opens, each time it stays open for twice as long."""

    failures_max: int = 5
    open_seconds: float = 10.0
    open_seconds_max: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """What is known of one model, or of whatever else is called. `open_until` None: closed."""

    limits: BreakerLimits = field(default_factory=BreakerLimits)
    failures: int = 0
    times_opened: int = 0
    open_until: float | None = None
    is_probing: bool = False

    def state(self, now: float) -> BreakerState:
        if self.open_until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self.open_until else BreakerState.HALF_OPEN

    def admits(self, now: float) -> bool:
        """Whether a call may be made now."""
        state = self.state(now)
        return state is BreakerState.CLOSED or (
            state is BreakerState.HALF_OPEN and not self.is_probing
        )

    def called(self, now: float) -> Breaker:
        """A call that was admitted has begun."""
        return replace(self, is_probing=self.state(now) is BreakerState.HALF_OPEN)

    def given_up(self) -> Breaker:
        """A call ended without telling anything of the model: the asker went away."""
        return replace(self, is_probing=False)

    def succeeded(self) -> Breaker:
        return Breaker(limits=self.limits)

    def failed(self, now: float, *, rest_seconds: float = 0.0) -> Breaker:
        """`rest_seconds`: it asked itself to be left alone for so long.

        Calls that had begun before it opened, and fail after, do not open it for longer: many
        that fail together tell no more than one does.
        """
        failures = self.failures + 1
        state = self.state(now)
        rest = min(rest_seconds, self.limits.open_seconds_max)
        if state is BreakerState.OPEN:
            assert self.open_until is not None
            return replace(self, failures=failures, open_until=max(self.open_until, now + rest))
        # A rest that it asked for itself says that it is busy, and nothing of whether it works.
        was_tripped = state is BreakerState.HALF_OPEN and self.times_opened > 0
        trips = failures >= self.limits.failures_max or was_tripped
        if trips:
            doubled = self.limits.open_seconds * 2.0 ** min(self.times_opened, 16)
            rest = max(rest, min(doubled, self.limits.open_seconds_max))
        if not rest:
            return replace(self, failures=failures, is_probing=False)
        return replace(
            self,
            failures=failures,
            times_opened=self.times_opened + trips,
            open_until=now + rest,
            is_probing=False,
        )
