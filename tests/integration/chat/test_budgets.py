"""Budgets and the ledger on a real PostgreSQL: nobody spends what somebody else has reserved."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from adapters.memory.scripted_model import ScriptedModel
from adapters.postgres.engine import Database, transaction
from application.chat.ask_question import AskQuestion
from application.chat.language_model import ModelUnavailable, Piece, Spent, Text
from application.chat.model_chain import ModelChain
from application.chat.ports import AskedQuestion
from application.chat.settle_calls import bill_of
from application.chat.spending import Bill, ReleaseReservations, UsageAsked
from domain.chat.budget import Budget, BudgetExhausted, Budgets
from domain.chat.model_call import DailyUsage, ModelCall
from domain.chat.price import Price, PriceTable, Tokens
from domain.chat.prompt import tokens_at_most
from domain.chat.question import Question
from domain.identity import Caller, Purpose, RunId, TenantId
from tests.integration.chat.conftest import Chat, OpenChat, idle, scripted, until
from tests.integration.test_isolation import CallerIn

PRICES = PriceTable(
    currency="EUR",
    prices=[
        Price(
            model="scripted",
            since=date(2020, 1, 1),
            input=Decimal(10),
            cached=Decimal(1),
            output=Decimal(30),
        )
    ],
)
ONE = tokens_at_most(
    Question(text="What do cats do?"), history_tokens_max=0, excerpts_max=8, output_tokens_max=2_048
).total
"""Tokens that one question reserves here."""


def tokens(person: int | None = None, tenant: int | None = None) -> Budgets:
    return Budgets(person=Budget(tokens_max=person), tenant=Budget(tokens_max=tenant))


async def spending_rows(chat: Chat, caller: Caller) -> dict[object, tuple[int, int, int, int]]:
    rows = await chat.rows(caller, "SELECT * FROM spending WHERE tenant_id = :tenant")
    return {
        row.spender_id: (
            row.tokens_spent, row.tokens_reserved, row.cost_micros_spent, row.cost_micros_reserved,
        )
        for row in rows
    }  # fmt: skip


async def usage_of(chat: Chat, caller: Caller, *, whole_tenant: bool = False) -> list[DailyUsage]:
    asked = UsageAsked(caller=caller, whole_tenant=whole_tenant, since=None, until=None)
    return list(await chat.spending.daily(asked, after=None, limit=100))


async def test_what_an_answer_took_is_in_the_ledger_at_the_price_of_the_day(
    open_chat: OpenChat, asha: Caller
) -> None:
    took = Spent(input_tokens=100, output_tokens=7, cached_tokens=40)
    chat = await open_chat(ScriptedModel(script=[Text("yes"), took]), prices=PRICES)
    asked = await chat.ask(asha)
    events = await chat.events(asha, asked.run.id)
    cost = (60 * 10 + 40 * 1 + 7 * 30) / 1_000_000
    told = json.loads(next(each.told for each in events if each.type == "usage"))
    assert told == {
        "model": "scripted", "input_tokens": 100, "output_tokens": 7, "cost": cost,
        "currency": "EUR", "estimated": False,
    }  # fmt: skip
    (noted,) = await chat.spending.of_run(asha, asked.run.id)
    assert (noted.number, noted.call.outcome) == (1, "answered")
    assert noted.call.tokens == Tokens(input=100, cached=40, output=7)
    assert noted.call.cost_micros == 850
    assert noted.call.first_piece_seconds is not None
    spent = (107, 0, 850, 0)
    assert await spending_rows(chat, asha) == {asha.person_id: spent, asha.tenant_id: spent}
    (day,) = await usage_of(chat, asha)
    assert (day.answers, day.failed_calls, day.cost_micros, day.currency) == (1, 0, 850, "EUR")


@pytest.mark.parametrize(
    "said",
    [
        None,
        Spent(input_tokens=2**31 - 1, output_tokens=7),
        Spent(input_tokens=100, output_tokens=2**31 - 1),
    ],
)
async def test_a_model_that_says_nothing_of_what_it_took_or_the_impossible_is_estimated(
    open_chat: OpenChat, asha: Caller, said: Spent | None
) -> None:
    script: list[Piece] = [Text("word " * 40), *([] if said is None else [said])]
    chat = await open_chat(ScriptedModel(script=script), prices=PRICES)
    asked = await chat.ask(asha)
    events = await chat.events(asha, asked.run.id)
    told = json.loads(next(each.told for each in events if each.type == "usage"))
    assert told["estimated"] is True
    assert told["output_tokens"] == 51
    assert told["input_tokens"] > 100
    (noted,) = await chat.spending.of_run(asha, asked.run.id)
    assert noted.call.is_estimated


async def test_of_fifty_askers_at_once_only_so_many_are_answered_as_the_budget_pays_for(
    open_chat: OpenChat, database: Database, tenant_id: TenantId, caller_in: CallerIn,
    figure: Callable[[str], None],
) -> None:  # fmt: skip
    """Two instances, a tenant whose budget holds seven answers, fifty people."""
    gone, asked = asyncio.Event(), asyncio.Event()
    slow = scripted(asked, Text("yes"))
    budgets = tokens(tenant=7 * ONE + ONE // 2)
    chats = [await open_chat(slow, budgets=budgets), await open_chat(slow, budgets=budgets)]
    people = [await caller_in(tenant_id) for _ in range(50)]
    conversations = [await chats[0].conversation(each) for each in people]

    async def ask(number: int) -> object:
        await gone.wait()
        return await chats[number % 2].ask(people[number], conversations[number])

    asking = [asyncio.create_task(ask(number)) for number in range(50)]
    gone.set()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, BudgetExhausted)]
    unexpected = [
        each for each in outcomes
        if isinstance(each, BaseException) and not isinstance(each, BudgetExhausted)
    ]  # fmt: skip
    reserved = (await spending_rows(chats[0], people[0]))[tenant_id]
    figure(
        f"50 askers of 2 instances for a budget of 7 answers: {50 - len(refused)} were let in,"
        f" {len(refused)} refused, {len(unexpected)} failed otherwise"
    )
    assert unexpected == []
    assert len(refused) == 43
    assert reserved[1] == 7 * ONE
    assert "Your tenant's budget" in refused[0].message
    asked.set()
    for chat in chats:
        await idle(chat)
    settled = (await spending_rows(chats[0], people[0]))[tenant_id]
    assert settled[:2] == (7 * 3, 0)  # what the model says that it took
    assert await chats[0].rows(people[0], "SELECT 1 FROM reservations") == []


async def test_one_persons_budget_is_not_anothers_and_the_tenants_is_everybodys(
    open_chat: OpenChat, tenant_id: TenantId, caller_in: CallerIn
) -> None:
    chat = await open_chat(scripted(0.4, Text("yes")), budgets=tokens(person=ONE, tenant=2 * ONE))
    first, second, third = [await caller_in(tenant_id) for _ in range(3)]
    await chat.ask(first)
    with pytest.raises(BudgetExhausted, match="Your budget for today is spent") as refused:
        await chat.ask(first)
    assert 0 < refused.value.retry_after_seconds <= 86_400
    await chat.ask(second)
    with pytest.raises(BudgetExhausted, match="Your tenant's budget"):
        await chat.ask(third)
    # Nothing was left behind of what was refused: neither a message nor a reservation.
    assert (await spending_rows(chat, third)).keys() == {
        first.person_id, second.person_id, tenant_id,
    }  # fmt: skip
    await idle(chat)
    await chat.ask(third)


async def test_money_is_limited_as_tokens_are(open_chat: OpenChat, asha: Caller) -> None:
    cost = PRICES.prices[0].of(Tokens(input=ONE - 2_048, output=2_048))
    budgets = Budgets(person=Budget(cost_micros_max=cost))
    chat = await open_chat(scripted(0.3, Text("yes")), prices=PRICES, budgets=budgets)
    await chat.ask(asha)
    with pytest.raises(BudgetExhausted):
        await chat.ask(asha)


async def test_what_costs_nothing_is_there_when_the_budget_is_spent(
    open_chat: OpenChat, asha: Caller
) -> None:
    quoting = ScriptedModel(script=[Text("as it is written")], is_metered=False)
    chat = await open_chat(scripted(), quoting, budgets=tokens(person=1))
    with pytest.raises(BudgetExhausted, match='The model "m1" costs nothing'):
        await chat.ask(asha)
    asked = await chat.ask(asha, model="m1")
    assert (await chat.events(asha, asked.run.id))[-1].type == "completed"
    assert asked.run.model == "m1"
    assert await spending_rows(chat, asha) == {}
    (noted,) = await chat.spending.of_run(asha, asked.run.id)
    assert (noted.call.model, noted.call.cost_micros) == ("m1", 0)


async def test_a_repeat_reserves_nothing_again(open_chat: OpenChat, asha: Caller) -> None:
    chat = await open_chat(scripted(0.4, Text("yes")), budgets=tokens(person=ONE))
    conversation_id = await chat.conversation(asha)
    asked = [await chat.ask(asha, conversation_id, key="once") for _ in range(3)]
    assert len({each.run.id for each in asked}) == 1
    assert (await spending_rows(chat, asha))[asha.person_id][1] == ONE


@pytest.mark.parametrize("ending", ["cancelled", "failed", "conversation deleted"])
async def test_whatever_ends_a_run_what_it_reserved_is_let_go_and_what_it_took_is_noted(
    open_chat: OpenChat, asha: Caller, ending: str
) -> None:
    seconds = 0.3 if ending == "failed" else 5.0
    chat = await open_chat(scripted(Text("some words "), seconds, ModelUnavailable()))
    asked = await chat.ask(asha)
    await until(lambda: asked.run.id in chat.live._runs)
    await asyncio.sleep(0.1)
    if ending == "cancelled":
        await chat.cancel_run(caller=asha, run_id=asked.run.id)
    elif ending == "conversation deleted":
        await chat.delete_conversation(caller=asha, conversation_id=asked.run.conversation_id)
    await idle(chat)
    assert (await spending_rows(chat, asha))[asha.person_id][1] == 0
    (noted,) = await chat.spending.of_run(asha, asked.run.id)
    assert noted.call.outcome == ("model_unavailable" if ending == "failed" else "interrupted")
    assert noted.call.is_estimated
    assert noted.call.tokens.output > 0


class KilledAtOnce:
    """A process that is killed as soon as it has written the question down."""

    has_room = True

    def start(self, asked: AskedQuestion) -> None:
        """Nobody is left who could."""


async def test_what_a_killed_run_had_reserved_is_released_by_the_sweeper(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat(budgets=tokens(person=ONE))
    running = await chat.ask(asha, model="scripted")
    await chat.events(asha, running.run.id)
    spent = (await spending_rows(chat, asha))[asha.person_id][0]
    roomy = ModelChain(models=chat.models, prices=chat.prices, budgets=tokens(person=ONE + spent))
    asking = chat.ask_question
    alive = replace(asking, chain_of=replace(asking.chain_of, deployment=roomy))
    doomed = replace(alive, starter=KilledAtOnce())
    release = ReleaseReservations(spending=chat.spending)

    async def ask(asking: AskQuestion) -> AskedQuestion:
        conversation_id = await chat.conversation(asha)
        question = Question(text="What do cats do?", purpose=Purpose("research"))
        return await asking(caller=asha, conversation_id=conversation_id, question=question)

    asked = await ask(doomed)
    await _long_ago(chat, asha, asked.run.id)
    assert asked.run.id not in [each.of.run_id for each in await chat.spending.left_over()]
    with pytest.raises(BudgetExhausted):
        await ask(alive)
    assert await chat.fail_abandoned_runs() >= 1
    await _long_ago(chat, asha, asked.run.id)
    assert await release() >= 1
    assert (await spending_rows(chat, asha))[asha.person_id][:2] == (spent, 0)
    (noted,) = await chat.spending.of_run(asha, asked.run.id)
    assert (noted.number, noted.call.outcome, noted.call.cost_micros) == (0, "abandoned", None)
    assert await release() == 0
    await ask(alive)

    # Should it only have slept: what it took is noted after all, and nothing is let go twice.
    late = ModelCall(model="scripted", outcome="answered", tokens=Tokens(input=5, output=5))
    await chat.spending.settle(bill_of(asked), [late])
    await idle(chat)
    assert len(await chat.spending.of_run(asha, asked.run.id)) == 2
    assert (await spending_rows(chat, asha))[asha.person_id][:2] == (2 * spent + 10, 0)


async def _long_ago(chat: Chat, caller: Caller, run_id: RunId) -> None:
    """Everything about this run happened two minutes earlier."""
    async with transaction(chat.engine, caller.tenant_id, caller.person_id) as connection:
        earlier = text(
            "UPDATE runs SET ended_at = ended_at - interval '2 minutes',"
            " lease_expires_at = clock_timestamp() - interval '2 minutes'"
            " WHERE tenant_id = :tenant AND id = :run"
        )
        await connection.execute(earlier, {"tenant": caller.tenant_id, "run": run_id})
    owner = await chat.database.connect("postgres")
    try:
        await owner.execute(
            "UPDATE reservations SET created_at = created_at - interval '2 minutes'"
            " WHERE run_id = $1",
            run_id,
        )
    finally:
        await owner.close()


async def test_settling_twice_settles_once(open_chat: OpenChat, asha: Caller) -> None:
    chat = await open_chat()
    run_id = RunId(asha.person_id)
    bill = Bill(
        caller=asha, run_id=run_id, purpose=Purpose("research"), day=datetime.now(UTC).date()
    )
    calls = [ModelCall(model="m", outcome="answered", tokens=Tokens(input=5, output=5))]
    await asyncio.gather(*(chat.spending.settle(bill, calls) for _ in range(8)))
    assert (await spending_rows(chat, asha))[asha.person_id] == (10, 0, 0, 0)


@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET cost_micros = 0"])
async def test_nobody_rewrites_the_ledger_not_even_its_owner(
    open_chat: OpenChat, asha: Caller, database: Database, statement: str
) -> None:
    chat = await open_chat()
    await chat.events(asha, (await chat.ask(asha)).run.id)
    with pytest.raises(DBAPIError, match="permission denied"):
        await chat.rows(asha, statement.format("usage_ledger"))
    owner = await database.connect("postgres")
    try:
        with pytest.raises(Exception, match="it is append-only"):
            await owner.execute(statement.format("usage_ledger"))
    finally:
        await owner.close()


async def test_usage_is_told_by_day_and_model_of_oneself_or_of_the_tenant_in_pages(
    open_chat: OpenChat, tenant_id: TenantId, caller_in: CallerIn
) -> None:
    chat = await open_chat()
    first, second = await caller_in(tenant_id), await caller_in(tenant_id)
    today = datetime.now(UTC).date()
    for number, (caller, days_ago, model) in enumerate(
        [(first, 0, "a"), (first, 0, "b"), (first, 40, "a"), (second, 0, "a"), (second, 1, "c")]
    ):
        bill = Bill(
            caller=caller,
            run_id=RunId(type(first.person_id)(int=number + 1)),
            purpose=Purpose("research"),
            day=today - timedelta(days=days_ago),
        )
        call = ModelCall(
            model=model, outcome="answered", tokens=Tokens(input=1, output=1), cost_micros=None
        )
        await chat.spending.settle(bill, [call])
    assert [(each.day, each.model) for each in await usage_of(chat, first)] == [
        (today, "a"), (today, "b"),
    ]  # fmt: skip
    whole = await usage_of(chat, first, whole_tenant=True)
    assert [(each.model, each.answers) for each in whole] == [("a", 2), ("b", 1), ("c", 1)]
    assert whole[0].unpriced_calls == 2
    pages, after = [], None
    asked = UsageAsked(
        caller=first, whole_tenant=True, since=today - timedelta(days=60), until=None
    )
    while page := await chat.spending.daily(asked, after=after, limit=1):
        pages += page
        after = (page[-1].day, page[-1].model, page[-1].currency)
    assert [each.model for each in pages] == ["a", "b", "c", "a"]
