"""What answers took, and what is left of the budgets of today."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Literal

import msgspec
from litestar import Controller, get
from litestar.params import QueryParameter

from application.chat.model_chain import ModelChain
from application.chat.spending import DAYS_MAX, Spending, UsageAsked
from domain.chat.budget import Amount, Budget
from domain.chat.model_call import DailyUsage
from domain.chat.price import MICROS
from domain.errors import NotAllowed
from domain.identity import Caller, Role
from entrypoints.http.injected import Injected
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, Position, page_of
from entrypoints.http.refusals import InvalidFields, WrongField

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)

Since = Annotated[
    date | None,
    QueryParameter(description="The first day, in UTC; by default 31 days before `until`."),
]
Until = Annotated[
    date | None,
    QueryParameter(
        description="The first day that is not told of any more; by default the last one is today."
    ),
]
Whose = Annotated[
    Literal["own", "tenant"],
    QueryParameter(description="One's own, or (for administrators) of everybody in the tenant."),
]


class UsageShown(msgspec.Struct, kw_only=True):
    """What one model took on one day of UTC, in whole runs and in calls that gave no answer.

    `cost` leaves out the `unpriced_calls`, whose price of that day is not known.
    """

    day: date
    model: str
    answers: int
    failed_calls: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    cost: float
    currency: str
    unpriced_calls: int


class BudgetShown(msgspec.Struct, kw_only=True):
    """What is spent and reserved of a budget. A maximum of null: there is none."""

    tokens_spent: int
    tokens_reserved: int
    tokens_max: int | None
    cost_spent: float
    cost_reserved: float
    cost_max: float | None


class StandingShown(msgspec.Struct, kw_only=True):
    """Today's budgets. What the tenant has spent is told to administrators."""

    day: date
    currency: str
    own: BudgetShown
    tenant: BudgetShown | None


class UsageController(Controller):
    """/v1/usage"""

    path = "/v1/usage"
    tags = ("Chat",)

    @get()
    async def list_usage(
        self,
        caller: Injected[Caller],
        spending: Injected[Spending],
        cursors: Injected[Cursors],
        since: Since = None,
        until: Until = None,
        whose: Whose = "own",
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[UsageShown]:
        """What answers took, by day and model, the latest day first; at most a year at a time."""
        _assert_period(since, until)
        whole_tenant = whose == "tenant"
        if whole_tenant and caller.role is not Role.ADMIN:
            raise NotAllowed("Only administrators see what a whole tenant takes.")
        of = f"usage {whose} {caller.person_id} {since} {until}"
        after = cursors.open(cursor, of=of, tenant_id=caller.tenant_id)
        found = await spending.daily(
            UsageAsked(caller=caller, whole_tenant=whole_tenant, since=since, until=until),
            after=_after(after),
            limit=limit + 1,
        )
        return page_of(
            found,
            limit=limit,
            show=_shown,
            position=lambda each: (each.day.isoformat(), each.model, each.currency),
            cursors=cursors,
            of=of,
            tenant_id=caller.tenant_id,
        )

    @get("/today")
    async def show_standing(
        self,
        caller: Injected[Caller],
        spending: Injected[Spending],
        chain: Injected[ModelChain],
    ) -> StandingShown:
        """What is spent of the budgets of today, and reserved by answers that are being written."""
        standing = await spending.standing(caller)
        budgets = chain.budgets
        tenant = None
        if caller.role is Role.ADMIN:
            tenant = _budget(standing.tenant_spent, standing.tenant_reserved, budgets.tenant)
        return StandingShown(
            day=standing.at.date(),
            currency=spending.currency,
            own=_budget(standing.person_spent, standing.person_reserved, budgets.person),
            tenant=tenant,
        )


def _after(position: Position | None) -> tuple[date, str, str] | None:
    if position is None:
        return None
    day, model, currency = map(str, position)
    return date.fromisoformat(day), model, currency


def _assert_period(since: date | None, until: date | None) -> None:
    for name, day in (("since", since), ("until", until)):
        if day is not None and not FIRST_DAY <= day <= LAST_DAY:
            told = f"From {FIRST_DAY} to {LAST_DAY}."
            raise InvalidFields([WrongField(f"/query/{name}", told)])
    if since is None or until is None:
        return
    if until <= since:
        raise InvalidFields([WrongField("/query/until", "It lies after `since`.")])
    if until - since > timedelta(days=DAYS_MAX):
        raise InvalidFields([WrongField("/query/since", f"At most {DAYS_MAX} days at a time.")])


def _shown(usage: DailyUsage) -> UsageShown:
    return UsageShown(
        day=usage.day,
        model=usage.model,
        answers=usage.answers,
        failed_calls=usage.failed_calls,
        input_tokens=usage.tokens.input,
        cached_tokens=usage.tokens.cached,
        output_tokens=usage.tokens.output,
        cost=usage.cost_micros / MICROS,
        currency=usage.currency,
        unpriced_calls=usage.unpriced_calls,
    )


def _budget(spent: Amount, reserved: Amount, budget: Budget) -> BudgetShown:
    cost_max = budget.cost_micros_max
    return BudgetShown(
        tokens_spent=spent.tokens,
        tokens_reserved=reserved.tokens,
        tokens_max=budget.tokens_max,
        cost_spent=spent.cost_micros / MICROS,
        cost_reserved=reserved.cost_micros / MICROS,
        cost_max=None if cost_max is None else cost_max / MICROS,
    )
