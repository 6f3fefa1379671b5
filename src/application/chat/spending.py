"""What answers take: the port to the ledger and the budgets, and releasing what is left over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from domain.chat.budget import Amount
from domain.chat.model_call import ABANDONED, DailyUsage, ModelCall, NotedCall
from domain.identity import Caller, Purpose, RunId

DAYS_MAX = 366


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Whose run it was, and on which day it was asked for: that day's budget pays."""

    caller: Caller
    run_id: RunId
    purpose: Purpose
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftReservation:
    """What a run has reserved that is over, or gone, without having settled it."""

    of: Bill
    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageAsked:
    """The days [since, until), of the caller or of the whole tenant; at most DAYS_MAX.

    Without `until` that many from `since` on, without `since` the 31 before `until`, without both
    the last 31.
    """

    caller: Caller
    whole_tenant: bool
    since: date | None
    until: date | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is spent and reserved on the day of `at`, by a person and by the whole tenant."""

    at: datetime
    person_spent: Amount
    person_reserved: Amount
    tenant_spent: Amount
    tenant_reserved: Amount


class Spending(Protocol):
    """The ledger, which only grows, and what is spent and reserved. Raises Unavailable."""

    @property
    def currency(self) -> str: ...

    async def settle(self, of: Bill, calls: Sequence[ModelCall], *, first_number: int = 1) -> None:
        """Note what a run's calls took, and let go of what it had reserved, in one transaction.

        Doing it twice does it once: calls are numbered, and a number is noted once.
        """
        ...

    async def reserved(self, of: Bill) -> Amount | None:
        """What is set aside for a run; None: nothing."""
        ...

    async def left_over(self) -> Sequence[LeftReservation]:
        """Some reservations of runs that ended a while ago, of every tenant."""
        ...

    async def of_run(self, caller: Caller, run_id: RunId) -> Sequence[NotedCall]:
        """The calls of one of the caller's own runs, in order."""
        ...

    async def daily(
        self, asked: UsageAsked, *, after: tuple[date, str, str] | None, limit: int
    ) -> Sequence[DailyUsage]:
        """By day, model and currency, the latest day first."""
        ...

    async def standing(self, caller: Caller) -> Standing:
        """As of now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseReservations:
    """What a run whose process died had reserved may be spent again; the ledger tells of it."""

    spending: Spending

    async def __call__(self) -> int:
        """How many were released."""
        left = await self.spending.left_over()
        for each in left:
            # Number 0: should the process only have slept, its own calls are noted beside this.
            gone = ModelCall(
                model=each.model, outcome=ABANDONED, is_estimated=True, cost_micros=None
            )
            await self.spending.settle(each.of, [gone], first_number=0)
        return len(left)
