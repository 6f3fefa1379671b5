"""The ledger of what answers take, and the budgets that pay for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import present_time, transaction, translated_outages
from adapters.postgres.statements import statement
from adapters.postgres.tables import reservations, spending, usage_ledger
from application.chat.spending import DAYS_MAX, Bill, LeftReservation, Standing, UsageAsked
from domain.chat.budget import Amount, Budgets, Spender
from domain.chat.model_call import DailyUsage, ModelCall, NotedCall
from domain.chat.price import Tokens
from domain.identity import Caller, PersonId, Purpose, RunId, TenantId

DAYS_BY_DEFAULT = 31

_LEFT = text("SELECT * FROM abandoned_reservations()")


async def reserve(
    connection: AsyncConnection, of: Bill, model: str, amount: Amount, budgets: Budgets
) -> Spender | None:
    """Whose budget does not have so much; None: it is reserved, once this transaction commits."""
    values = {
        "tenant": of.caller.tenant_id,
        "person": of.caller.person_id,
        "run": of.run_id,
        "purpose": of.purpose,
        "model": model,
        "day": of.day,
        "tokens": amount.tokens,
        "cost": amount.cost_micros,
        "person_tokens_max": budgets.person.tokens_max,
        "person_cost_max": budgets.person.cost_micros_max,
        "tenant_tokens_max": budgets.tenant.tokens_max,
        "tenant_cost_max": budgets.tenant.cost_micros_max,
    }
    row = (await connection.execute(statement("reserve"), values)).one()
    if not row.person_had_it:
        return Spender.PERSON
    return None if row.tenant_had_it else Spender.TENANT


async def settle(
    connection: AsyncConnection,
    of: Bill,
    calls: Sequence[ModelCall],
    *,
    currency: str,
    first_number: int = 1,
) -> None:
    """As `Spending.settle`, in a transaction that does more."""
    caller = of.caller
    values = {
        "tenant": caller.tenant_id,
        "person": caller.person_id,
        "run": of.run_id,
        "purpose": of.purpose,
        "day": of.day,
        "currency": currency,
        "first_number": first_number,
        "models": [each.model for each in calls],
        "outcomes": [each.outcome for each in calls],
        "inputs": [each.tokens.input for each in calls],
        "cacheds": [each.tokens.cached for each in calls],
        "outputs": [each.tokens.output for each in calls],
        "estimates": [each.is_estimated for each in calls],
        "costs": [each.cost_micros for each in calls],
        "first_pieces": [_milliseconds(each.first_piece_seconds) for each in calls],
    }
    await connection.execute(statement("settle"), values)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSpending:
    """`Spending`."""

    engine: AsyncEngine
    currency: str

    async def settle(self, of: Bill, calls: Sequence[ModelCall], *, first_number: int = 1) -> None:
        caller = of.caller
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            await settle(connection, of, calls, currency=self.currency, first_number=first_number)

    async def reserved(self, of: Bill) -> Amount | None:
        caller = of.caller
        its = select(reservations.c.tokens, reservations.c.cost_micros).where(
            reservations.c.tenant_id == caller.tenant_id, reservations.c.run_id == of.run_id
        )
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            row = (await connection.execute(its)).one_or_none()
        return None if row is None else Amount(tokens=row.tokens, cost_micros=row.cost_micros)

    async def left_over(self) -> Sequence[LeftReservation]:
        with translated_outages():
            async with self.engine.connect() as connection:
                rows = (await connection.execute(_LEFT)).all()
        return [
            LeftReservation(
                of=Bill(
                    caller=Caller(
                        tenant_id=TenantId(row.tenant_id), person_id=PersonId(row.person_id)
                    ),
                    run_id=RunId(row.run_id),
                    purpose=Purpose(row.purpose),
                    day=row.day,
                ),
                model=row.model,
            )
            for row in rows
        ]

    async def of_run(self, caller: Caller, run_id: RunId) -> Sequence[NotedCall]:
        calls = (
            select(usage_ledger)
            .where(
                usage_ledger.c.tenant_id == caller.tenant_id,
                usage_ledger.c.run_id == run_id,
                usage_ledger.c.person_id == caller.person_id,
            )
            .order_by(usage_ledger.c.number)
        )
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            rows = (await connection.execute(calls)).all()
        return [
            NotedCall(
                run_id=RunId(row.run_id),
                number=row.number,
                at=row.at,
                call=ModelCall(
                    model=row.model,
                    outcome=row.outcome,
                    tokens=Tokens(
                        input=row.input_tokens, cached=row.cached_tokens, output=row.output_tokens
                    ),
                    is_estimated=row.is_estimated,
                    cost_micros=row.cost_micros,
                    first_piece_seconds=_seconds(row.first_piece_ms),
                ),
            )
            for row in rows
        ]

    async def daily(
        self, asked: UsageAsked, *, after: tuple[date, str, str] | None, limit: int
    ) -> Sequence[DailyUsage]:
        caller = asked.caller
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            since, until = asked.since, asked.until
            if until is None and since is not None:
                until = since + timedelta(days=DAYS_MAX)
            elif until is None:
                until = await _today(connection) + timedelta(days=1)
            if since is None:
                since = until - timedelta(days=DAYS_BY_DEFAULT)
            values = {
                "tenant": caller.tenant_id,
                "person": None if asked.whole_tenant else caller.person_id,
                "since": since,
                "until": until,
                "after_day": after and after[0],
                "after_model": after and after[1],
                "after_currency": after and after[2],
                "row_limit": limit,
            }
            rows = (await connection.execute(statement("daily_usage"), values)).all()
        return [
            DailyUsage(
                day=row.day,
                model=row.model,
                answers=row.answers,
                failed_calls=row.failed_calls,
                tokens=Tokens(
                    input=row.input_tokens, cached=row.cached_tokens, output=row.output_tokens
                ),
                cost_micros=row.cost_micros,
                currency=row.currency,
                unpriced_calls=row.unpriced_calls,
            )
            for row in rows
        ]

    async def standing(self, caller: Caller) -> Standing:
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            at = await present_time(connection)
            both = select(spending).where(
                spending.c.tenant_id == caller.tenant_id,
                spending.c.day == at.date(),
                spending.c.spender_id.in_([caller.person_id, caller.tenant_id]),
            )
            rows = {row.spender_id: row for row in (await connection.execute(both)).all()}
        person, tenant = rows.get(caller.person_id), rows.get(caller.tenant_id)
        return Standing(
            at=at,
            person_spent=_amount(person, "spent"),
            person_reserved=_amount(person, "reserved"),
            tenant_spent=_amount(tenant, "spent"),
            tenant_reserved=_amount(tenant, "reserved"),
        )


async def _today(connection: AsyncConnection) -> date:
    """By the database's clock, whose sessions are in UTC."""
    today: date = (await connection.execute(select(func.current_date()))).scalar_one()
    return today


def _amount(row: object, which: str) -> Amount:
    if row is None:
        return Amount()
    return Amount(
        tokens=getattr(row, f"tokens_{which}"), cost_micros=getattr(row, f"cost_micros_{which}")
    )


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
