"""What answers cost: by the price of the day, in whole millionths, never too little."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.models.prices import price_table
from domain.chat.price import Price, PriceTable, Tokens

ONE = 'currency = "EUR"\n[[prices]]\nmodel = "m"\n'
COUNTS = st.integers(0, 10**7)
AMOUNTS = st.decimals(0, 1_000, places=4)


def price(since: str, until: str | None = None, **amounts: str) -> Price:
    return Price(
        model="m",
        since=date.fromisoformat(since),
        until=None if until is None else date.fromisoformat(until),
        input=Decimal(amounts.get("input", "1")),
        cached=Decimal(amounts["cached"]) if "cached" in amounts else None,
        output=Decimal(amounts.get("output", "2")),
    )


@given(read=COUNTS, again=COUNTS, wrote=COUNTS, dear=AMOUNTS, cheap=AMOUNTS, out=AMOUNTS)
def test_a_cost_is_rounded_up_to_less_than_a_millionth_too_much(
    read: int, again: int, wrote: int, dear: Decimal, cheap: Decimal, out: Decimal
) -> None:
    each = Price(model="m", since=date(2026, 1, 1), input=dear, cached=cheap, output=out)
    tokens = Tokens(input=read + again, cached=again, output=wrote)
    exact = read * dear + again * cheap + wrote * out
    assert 0 <= each.of(tokens) - exact < 1


def test_a_million_tokens_cost_what_the_table_says() -> None:
    each = price("2026-01-01", input="0.15", cached="0.075", output="0.60")
    assert each.of(Tokens(input=1_000_000)) == 150_000
    assert each.of(Tokens(input=1_000_000, cached=1_000_000)) == 75_000
    assert each.of(Tokens(output=1_000_000)) == 600_000
    assert each.of(Tokens(input=1)) == 1  # 0.15 of a millionth


def test_a_price_holds_from_its_first_day_to_the_day_before_the_next_one() -> None:
    old, new = price("2026-01-01", "2026-07-01", input="5"), price("2026-07-01", input="2.5")
    table = PriceTable(currency="USD", prices=[new, old])
    days = {"2025-12-31": None, "2026-01-01": old, "2026-06-30": old, "2026-07-01": new}
    for day, expected in days.items():
        assert table.on(date.fromisoformat(day), "m") is expected
    assert table.on(date(2030, 1, 1), "m") is new
    assert table.on(date(2030, 1, 1), "another") is None


def test_a_model_has_one_price_on_a_day() -> None:
    with pytest.raises(ValueError, match="m has two prices on 2026-07-01"):
        PriceTable(currency="USD", prices=[price("2026-01-01"), price("2026-07-01")])


@pytest.mark.parametrize("wrong", [{"input": "-1"}, {"output": "NaN"}, {"cached": "Infinity"}])
def test_a_price_is_a_number_from_zero_up(wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="a number from 0 up"):
        price("2026-01-01", **wrong)
    with pytest.raises(ValueError, match="ends after it begins"):
        price("2026-01-01", "2026-01-01")


def test_the_table_that_comes_with_strongroom_is_dated() -> None:
    table = price_table()
    assert table.currency == "USD"
    before, after = (table.on(day, "gpt-4o") for day in (date(2024, 10, 1), date(2024, 10, 2)))
    assert before is not None
    assert after is not None
    assert (before.input, after.input) == (Decimal(5), Decimal("2.5"))
    assert table.on(date(2020, 1, 1), "gpt-4o") is None


@pytest.mark.parametrize(
    "text",
    [
        "currency = ",
        'currency = "euros"\nprices = []',
        'currency = "EUR"',
        f"{ONE}since = 2026-01-01\ninput = 1",
        f"{ONE}since = 2026-01-01\ninput = -1\noutput = 1",
        f'{ONE}since = "soon"\ninput = 1\noutput = 1',
        f"{ONE}since = 2026-01-01\ninput = 1\noutput = 1\nx = 1",
    ],
)
def test_a_file_of_prices_that_makes_no_sense_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"."):
        price_table(file)


def test_prices_of_ones_own_are_read_to_the_last_digit(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(
        'currency = "EUR"\n[[prices]]\nmodel = "own"\nsince = 2026-01-01\n'
        "input = 0.1000000001\noutput = 0"
    )
    (own,) = price_table(file).prices
    assert own.input == Decimal("0.1000000001")
    assert own.cached is None
