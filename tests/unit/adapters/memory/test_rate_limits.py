"""Rate limits in memory."""

from __future__ import annotations

import pytest

from adapters.memory.rate_limits import LimitReached, MemoryRateLimits
from application.accounts.ports import Attempts

KEY = ("default", "asha@example.org")


@pytest.fixture
def attempts() -> Attempts:
    return MemoryRateLimits({"sign_in": "5/hour", "other": "100/hour"})


async def test_attempts_are_allowed_up_to_the_limit(attempts: Attempts) -> None:
    for _ in range(5):
        await attempts.attempt("sign_in", *KEY)
    with pytest.raises(LimitReached) as reached:
        await attempts.attempt("sign_in", *KEY)
    assert 1 <= reached.value.retry_after_seconds <= 3600
    assert (reached.value.attempts_max, reached.value.window_seconds) == (5, 3600)


async def test_keys_and_limits_are_counted_apart(attempts: Attempts) -> None:
    for _ in range(5):
        await attempts.attempt("sign_in", *KEY)
    await attempts.attempt("other", *KEY)
    others = [("default", f"{number}@example.org") for number in range(20)]
    refused = 0
    for key in others:
        try:
            await attempts.attempt("sign_in", *key)
        except LimitReached:
            refused += 1
    assert refused <= 1, "a bucket is shared once in 32,768"


async def test_what_was_forgotten_counts_anew(attempts: Attempts) -> None:
    for _ in range(3):
        for _ in range(5):
            await attempts.attempt("sign_in", *KEY)
        await attempts.forget("sign_in", *KEY)


async def test_a_limit_that_was_not_set_is_a_mistake(attempts: Attempts) -> None:
    with pytest.raises(KeyError):
        await attempts.attempt("unheard_of", "key")
