"""Budgets: how many tokens and how much money a person, and a whole tenant, may spend in a day.

Days are those of UTC. What an answer may take is reserved before it is asked for, and settled
when it is known.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum

from domain.errors import TooMany


class Spender(StrEnum):
    """Whose budget it is."""

    PERSON = "person"
    TENANT = "tenant"


class BudgetExhausted(TooMany):
    """What may be spent on answers today is spent."""

    code = "budget_exhausted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Tokens, and money in millionths of the currency."""

    tokens: int = 0
    cost_micros: int = 0

    def covers(self, other: Amount) -> bool:
        return other.tokens <= self.tokens and other.cost_micros <= self.cost_micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What may be spent in a day; None: as much as one likes."""

    tokens_max: int | None = None
    cost_micros_max: int | None = None

    def has_room_for(self, amount: Amount, *taken: Amount) -> bool:
        """Whether so much may still be spent, beside what is spent or reserved."""
        tokens = amount.tokens + sum(each.tokens for each in taken)
        cost = amount.cost_micros + sum(each.cost_micros for each in taken)
        return (self.tokens_max is None or tokens <= self.tokens_max) and (
            self.cost_micros_max is None or cost <= self.cost_micros_max
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """Of each person, and of each tenant with everybody in it."""

    person: Budget = field(default_factory=Budget)
    tenant: Budget = field(default_factory=Budget)

    @property
    def limit_anything(self) -> bool:
        return self != Budgets()

    @property
    def limit_money(self) -> bool:
        return not (self.person.cost_micros_max is None and self.tenant.cost_micros_max is None)


def exhausted(spender: Spender, now: datetime, free_model: str | None) -> BudgetExhausted:
    """The refusal, which says until when, and what costs nothing."""
    whose = "Your" if spender is Spender.PERSON else "Your tenant's"
    instead = "" if free_model is None else f' The model "{free_model}" costs nothing.'
    return BudgetExhausted(
        f"{whose} budget for today is spent; the next one begins at 00:00 UTC.{instead}",
        retry_after_seconds=_seconds_left(now),
    )


def _seconds_left(now: datetime) -> int:
    tomorrow = datetime.combine(now.date() + timedelta(days=1), time(), tzinfo=now.tzinfo)
    return int((tomorrow - now).total_seconds()) + 1
