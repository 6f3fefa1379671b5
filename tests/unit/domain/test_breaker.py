"""A circuit breaker against a small model of what is wanted of one."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.breaker import Breaker, BreakerLimits, BreakerState

LIMITS = BreakerLimits(failures_max=3, open_seconds=10, open_seconds_max=60)


class BreakerMachine(RuleBasedStateMachine):
    """Calls begin and end as they do in a process; `now` goes forward alone."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(limits=LIMITS)
        self.now = 0.0
        self.in_flight = 0
        self.failed_in_a_row = 0

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 10.0, 30.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.breaker.admits(self.now))
    @rule()
    def call(self) -> None:
        self.breaker = self.breaker.called(self.now)
        self.in_flight += 1

    @precondition(lambda self: self.in_flight)
    @rule()
    def succeed(self) -> None:
        self.breaker = self.breaker.succeeded()
        self.in_flight -= 1
        self.failed_in_a_row = 0
        assert self.breaker.state(self.now) is BreakerState.CLOSED

    @precondition(lambda self: self.in_flight)
    @rule(rest=st.sampled_from([0.0, 0.0, 3.0, 1000.0]))
    def fail(self, rest: float) -> None:
        self.breaker = self.breaker.failed(self.now, rest_seconds=rest)
        self.in_flight -= 1
        self.failed_in_a_row += 1
        if rest or self.failed_in_a_row >= LIMITS.failures_max:
            assert self.breaker.state(self.now) is BreakerState.OPEN
            assert not self.breaker.admits(self.now + min(rest, 60.0) - 0.01 if rest else self.now)

    @precondition(lambda self: self.in_flight)
    @rule()
    def give_up(self) -> None:
        self.breaker = self.breaker.given_up()
        self.in_flight -= 1

    @invariant()
    def an_open_one_is_tried_again_within_the_longest_rest(self) -> None:
        later = self.now + LIMITS.open_seconds_max
        assert self.breaker.state(later) is not BreakerState.OPEN
        if not self.breaker.is_probing:
            assert self.breaker.admits(later)

    @invariant()
    def few_failures_leave_it_closed(self) -> None:
        if not self.failed_in_a_row:
            assert self.breaker.state(self.now) is BreakerState.CLOSED


TestBreaker = BreakerMachine.TestCase


def test_one_call_alone_probes_and_decides() -> None:
    breaker = Breaker(limits=LIMITS)
    for _ in range(LIMITS.failures_max):
        assert breaker.admits(0.0)
        breaker = breaker.called(0.0).failed(0.0)
    assert breaker.state(9.9) is BreakerState.OPEN
    assert breaker.state(10.0) is BreakerState.HALF_OPEN
    probing = breaker.called(10.0)
    assert not probing.admits(10.0)
    assert probing.given_up().admits(10.0)
    assert probing.succeeded().state(10.0) is BreakerState.CLOSED
    assert probing.failed(10.0).state(29.9) is BreakerState.OPEN  # twice as long
    assert probing.failed(10.0).state(30.0) is BreakerState.HALF_OPEN


def test_one_that_asks_for_a_rest_gets_that_rest_and_not_a_longer_one() -> None:
    breaker, now = Breaker(limits=LIMITS), 0.0
    for _ in range(LIMITS.failures_max - 1):
        breaker = breaker.called(now).failed(now, rest_seconds=1)
        assert breaker.open_until == now + 1
        now += 1
    assert breaker.called(now).failed(now, rest_seconds=1).open_until == now + LIMITS.open_seconds


def test_many_that_fail_together_open_it_once() -> None:
    breaker = Breaker(limits=LIMITS)
    for _ in range(50):
        breaker = breaker.called(0.0)
    for _ in range(50):
        breaker = breaker.failed(0.1)
    assert breaker.open_until == 0.1 + LIMITS.open_seconds
    assert breaker.failed(1.0, rest_seconds=30).open_until == 31.0
    assert breaker.failed(1.0, rest_seconds=3).open_until == breaker.open_until


def test_it_rests_longer_each_time_and_never_longer_than_the_longest() -> None:
    breaker, now, rests = Breaker(limits=LIMITS), 0.0, []
    for _ in range(40):
        breaker = breaker.called(now).failed(now)
        if breaker.open_until is not None:
            rests.append(breaker.open_until - now)
            now = breaker.open_until
    assert rests[:4] == [10.0, 20.0, 40.0, 60.0]
    assert max(rests) == 60.0
