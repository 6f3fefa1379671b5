"""What models cost, and since when. A price changes; what an answer has cost does not.

Money is counted in millionths of the table's currency, whole ones, rounded up: a price in units
of the currency for a million tokens is then one in millionths for a token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise

MICROS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What a model has read, how much of that it had read before (`cached`), and written."""

    input: int = 0
    cached: int = 0
    output: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.cached <= self.input or self.output < 0:
            raise ValueError("what is cached is part of what was read, and nothing is negative")

    @property
    def total(self) -> int:
        return self.input + self.output


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Of one model in the days [since, until), for a million tokens, in units of the currency.

    `cached` None: what the model has read before costs as much as what it reads anew.
    """

    model: str
    since: date
    until: date | None = None
    input: Decimal
    cached: Decimal | None = None
    output: Decimal

    def __post_init__(self) -> None:
        amounts = (self.input, self.output, self.cached or Decimal())
        if not all(each.is_finite() and each >= 0 for each in amounts):
            raise ValueError("a price is a number from 0 up")
        if self.until is not None and self.until <= self.since:
            raise ValueError("a price ends after it begins")

    def holds_on(self, day: date) -> bool:
        return self.since <= day and (self.until is None or day < self.until)

    def of(self, tokens: Tokens) -> int:
        """What these tokens cost, in millionths."""
        cached = self.input if self.cached is None else self.cached
        exact = (
            (tokens.input - tokens.cached) * self.input
            + tokens.cached * cached
            + tokens.output * self.output
        )
        return int(exact.to_integral_value(rounding=ROUND_CEILING))


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """All prices that are known, in one currency. No model has two on one day."""

    currency: str
    prices: Sequence[Price]

    def __post_init__(self) -> None:
        ordered = sorted(self.prices, key=lambda each: (each.model, each.since))
        for earlier, later in pairwise(ordered):
            if earlier.model == later.model and earlier.holds_on(later.since):
                raise ValueError(f"{later.model} has two prices on {later.since}")

    def on(self, day: date, model: str) -> Price | None:
        """The price of a model on a day; None where it is not known."""
        for each in self.prices:
            if each.model == model and each.holds_on(day):
                return each
        return None
