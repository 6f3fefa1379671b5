"""Which codes are good when, and that a code has one spelling."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts.totp import (
    Totp,
    TotpState,
    is_recovery_code,
    is_time_code,
    matching_step,
    state_of,
    steps_at,
)

SPELLINGS = (
    " {}", "{} ", "{}\n", "\t{}", "\ufeff{}", "{}\u200b", "+{}", "-{}", "0{}", "{}.0", "{}\x00",
)  # fmt: skip


def test_a_step_lasts_half_a_minute_and_counts_from_1970() -> None:
    at = datetime(1970, 1, 1, 0, 0, 59, tzinfo=UTC)
    assert list(steps_at(at)) == [2, 1, 0]
    assert list(steps_at(at + timedelta(seconds=1))) == [3, 2, 1]


@given(st.integers(0, 10**10), st.integers(-5, 5))
def test_a_clock_may_be_a_step_off_either_way_and_no_more(seconds: int, drift: int) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    codes = {step: f"{step % 10**6:06}" for step in steps_at(at)}
    step = seconds // 30 + drift
    found = matching_step(f"{step % 10**6:06}", codes)
    assert found == (step if abs(drift) <= 1 else None)


def test_where_two_steps_have_one_code_it_is_the_later_ones() -> None:
    assert matching_step("111111", {7: "111111", 6: "222222", 5: "111111"}) == 7


@given(st.integers(0, 10**6 - 1), st.sampled_from(SPELLINGS))
def test_a_code_has_one_spelling(number: int, spelling: str) -> None:
    code = f"{number:06}"
    assert is_time_code(code)
    assert not is_time_code(spelling.format(code))


@given(st.integers(0, 10**6 - 1), st.sampled_from([0xFF10, 0x0660, 0x0966, 0x1D7CE]))
def test_digits_of_other_scripts_are_no_digits(number: int, zero: int) -> None:
    spelled = "".join(chr(zero + int(digit)) for digit in f"{number:06}")
    assert int(spelled) == number, "Python itself would take them for the same number"
    assert not is_time_code(spelled)


@given(st.text(max_size=40))
def test_only_six_ascii_digits_are_a_code(text: str) -> None:
    assert is_time_code(text) == (len(text) == 6 and text.isascii() and text.isdigit())


@pytest.mark.parametrize("change", [str.upper, lambda text: text.replace("-", ""), "{} ".format])
def test_a_recovery_code_has_one_spelling(change: object) -> None:
    code = "abcd-efgh-ijkl-mnop-qrst-uv27"
    assert is_recovery_code(code)
    assert callable(change)
    assert not is_recovery_code(change(code))


def test_only_what_is_confirmed_is_asked_for() -> None:
    from uuid import UUID

    pending = Totp(id=UUID(int=1), sealed_secret=b"secret")
    enrolled = Totp(
        id=UUID(int=1), sealed_secret=b"", confirmed_at=datetime(2026, 1, 1, tzinfo=UTC)
    )
    states = [state_of(each) for each in (None, pending, enrolled)]
    assert states == [TotpState.NONE, TotpState.PENDING, TotpState.ENROLLED]
    assert "secret=" not in repr(pending)
