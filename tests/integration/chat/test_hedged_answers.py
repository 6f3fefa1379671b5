"""The hedge: a second model beside a first one that is slow, on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import pytest

from adapters.memory.scripted_model import ScriptedModel
from adapters.models.openai_compatible import OpenAICompatibleModel, model_client
from application.chat.answer_limits import AnswerLimits
from application.chat.language_model import Text
from domain.breaker import BreakerLimits, BreakerState
from domain.chat.budget import Budget, BudgetExhausted, Budgets
from domain.chat.run import WhenBusy
from domain.identity import Caller, RunId
from tests.integration.chat.conftest import Chat, OpenChat, idle, until
from tests.integration.chat.test_budgets import ONE, spending_rows
from tests.integration.chat.test_chosen_models import answered, choose, prices, told
from tests.scripted_upstream import (
    DONE,
    OK,
    Say,
    Upstream,
    answering,
    chunk,
    cutting,
    saying,
    status,
    upstream,
    usage,
)

HEDGE = 0.3
LIMITS = AnswerLimits(hedge_seconds=HEDGE, first_piece_seconds_max=30.0, attempts_max=1)
STALL = saying(OK, 60.0)
QUOTING = ScriptedModel(script=[Text("quoted")], is_metered=False)
END = (chunk(finish_reason="stop"), usage(11, 7), DONE)


@dataclass
class Hedged:
    """A chat of two models, each a server of its own, and quoting."""

    chat: Chat
    first: Upstream
    second: Upstream

    async def calls(self, caller: Caller, run_id: RunId) -> list[tuple[str, str]]:
        """By model: which of two ended first is chance."""
        noted = await self.chat.spending.of_run(caller, run_id)
        return sorted((each.call.model, each.call.outcome) for each in noted)


OpenHedged = Callable[..., Awaitable[Hedged]]


@pytest.fixture
async def hedged(open_chat: OpenChat) -> AsyncIterator[OpenHedged]:
    async with AsyncExitStack() as stack:

        async def opened(first: Say, second: Say, **options: object) -> Hedged:
            servers = [await stack.enter_async_context(upstream(say)) for say in (first, second)]
            models = [
                OpenAICompatibleModel(
                    name="any", base_url=each.url, model="any", key=None, client=model_client()
                )
                for each in servers
            ]
            for model in models:
                stack.push_async_callback(model.close)
            chat = await open_chat(*models, QUOTING, **{"limits": LIMITS, **options})
            return Hedged(chat, *servers)

        yield opened


def until_gone(*others: Callable[[], Upstream]) -> Say:
    """Begins to answer, and goes on only once the others' connections were closed."""

    async def say(writer: asyncio.StreamWriter) -> None:
        await saying(OK, chunk("one "))(writer)
        for other in others:
            await other().gone.wait()
        await saying(chunk("two"), *END)(writer)

    return say


async def test_a_slow_first_model_is_overtaken_and_its_connection_closed_at_once(
    hedged: OpenHedged, asha: Caller
) -> None:
    opened: list[Hedged] = []
    both = await hedged(STALL, until_gone(lambda: opened[0].first), prices=prices(m0=1, m1=1))
    opened.append(both)
    run_id = (await both.chat.ask(asha)).run.id
    assert await told(both.chat, asha, run_id) == ([("m0", "m1", "hedged")], "one two")
    noted = [each.call for each in await both.chat.spending.of_run(asha, run_id)]
    slow, quick = sorted(noted, key=lambda each: each.model)
    assert (slow.model, slow.outcome, slow.is_estimated) == ("m0", "hedged", True)
    assert (slow.tokens.input > 100, slow.tokens.output, slow.cost_micros) == (
        True, 0, slow.tokens.input,
    )  # fmt: skip
    assert slow.first_piece_seconds is None
    assert (quick.outcome, quick.tokens.input, quick.cost_micros) == ("answered", 11, 11)
    spent = slow.tokens.total + quick.tokens.total
    cost = slow.tokens.input + 11
    assert (await spending_rows(both.chat, asha))[asha.person_id] == (spent, 0, cost, 0)
    (counted, *_) = both.chat.meter.collectors
    (metric,) = counted.collect()
    count = {
        tuple(each.labels.values()): each.value
        for each in metric.samples
        if each.name.endswith("_total")
    }
    assert count["m0", "hedged"] == count["m1", "answered"] == 1


async def test_a_first_model_that_begins_in_time_is_not_hedged_however_long_it_talks(
    hedged: OpenHedged, asha: Caller
) -> None:
    drips = saying(OK, chunk("slow "), HEDGE * 2, chunk("talk"), *END)
    both = await hedged(drips, answering("never"))
    assert await answered(both.chat, asha) == ([], "slow talk")
    assert both.second.requests == []


async def test_a_first_model_that_fails_in_time_is_followed_and_not_hedged(
    hedged: OpenHedged, asha: Caller
) -> None:
    both = await hedged(status(400), saying(OK, HEDGE * 2, chunk("slow"), *END))
    assert await answered(both.chat, asha) == ([("m0", "m1", "model_refused")], "slow")
    assert len(both.first.requests) == len(both.second.requests) == 1


async def test_a_first_model_that_speaks_after_all_stops_its_hedge(
    hedged: OpenHedged, asha: Caller
) -> None:
    opened: list[Hedged] = []

    async def late(writer: asyncio.StreamWriter) -> None:
        await saying(OK, HEDGE * 2)(writer)
        await until_gone(lambda: opened[0].second)(writer)

    both = await hedged(late, STALL)
    opened.append(both)
    run_id = (await both.chat.ask(asha)).run.id
    assert await told(both.chat, asha, run_id) == ([], "one two")
    assert await both.calls(asha, run_id) == [("m0", "answered"), ("m1", "hedged")]


async def test_of_two_that_speak_at_the_same_moment_one_is_heard(
    open_chat: OpenChat, asha: Caller
) -> None:
    go = asyncio.Event()
    models = [ScriptedModel(script=[go, Text(f"{number}")] * 3) for number in range(2)]
    chat = await open_chat(*models, QUOTING, limits=LIMITS)
    run_id = (await chat.ask(asha)).run.id
    await asyncio.sleep(HEDGE * 2)
    go.set()
    fallbacks, answer = await told(chat, asha, run_id)
    assert (fallbacks, answer) in (([], "000"), ([("m0", "m1", "hedged")], "111"))
    calls = [each.call for each in await chat.spending.of_run(asha, run_id)]
    assert sorted(each.outcome for each in calls) == ["answered", "hedged"]


async def test_two_that_are_slow_are_both_given_up_and_the_next_one_answers(
    hedged: OpenHedged, asha: Caller
) -> None:
    both = await hedged(STALL, STALL, limits=replace(LIMITS, first_piece_seconds_max=1.5))
    fallbacks = [("m0", "m1", "model_too_slow"), ("m1", "m2", "model_too_slow")]
    assert await answered(both.chat, asha) == (fallbacks, "quoted")
    assert both.first.gone.is_set()
    assert both.second.gone.is_set()


async def test_a_hedge_that_fails_does_not_disturb_the_first_model(
    hedged: OpenHedged, asha: Caller
) -> None:
    both = await hedged(saying(OK, HEDGE * 3, chunk("late"), *END), status(500))
    run_id = (await both.chat.ask(asha)).run.id
    assert await told(both.chat, asha, run_id) == ([], "late")
    assert await both.calls(asha, run_id) == [("m0", "answered"), ("m1", "model_unavailable")]


async def test_a_first_model_that_fails_leaves_the_floor_to_its_hedge(
    hedged: OpenHedged, asha: Caller
) -> None:
    async def broken(writer: asyncio.StreamWriter) -> None:
        await saying(OK, HEDGE * 2)(writer)
        await cutting()(writer)

    both = await hedged(broken, saying(OK, HEDGE * 3, chunk("late"), *END))
    assert await answered(both.chat, asha) == ([("m0", "m1", "model_broke_off")], "late")
    assert len(both.second.requests) == 1


async def test_a_hedge_that_has_failed_is_not_called_again_when_the_first_model_fails(
    hedged: OpenHedged, asha: Caller
) -> None:
    both = await hedged(saying(OK, HEDGE * 3), status(400))
    fallbacks = [("m0", "m1", "model_broke_off"), ("m1", "m2", "model_refused")]
    assert await answered(both.chat, asha) == (fallbacks, "quoted")
    assert len(both.second.requests) == 1


async def test_a_first_model_that_is_tried_again_is_hedged_from_its_first_call_on(
    hedged: OpenHedged, asha: Caller
) -> None:
    fails: list[Say] = [saying(OK, HEDGE * 1.5), saying(OK, HEDGE, chunk("again"), *END)]

    async def say(writer: asyncio.StreamWriter) -> None:
        await fails.pop(0)(writer)

    limits = replace(LIMITS, attempts_max=2, pause_seconds=0.01)
    both = await hedged(say, STALL, limits=limits)
    run_id = (await both.chat.ask(asha)).run.id
    assert await told(both.chat, asha, run_id) == ([], "again")
    assert await both.calls(asha, run_id) == [
        ("m0", "answered"), ("m0", "model_broke_off"), ("m1", "hedged"),
    ]  # fmt: skip


async def test_a_hedge_that_breaks_off_after_its_first_word_ends_the_answer(
    hedged: OpenHedged, asha: Caller
) -> None:
    both = await hedged(STALL, saying(OK, chunk("half ")))
    run_id = (await both.chat.ask(asha)).run.id
    assert await told(both.chat, asha, run_id) == ([("m0", "m1", "hedged")], "half ")
    events = await both.chat.events(asha, run_id)
    assert events[-1].type == "failed"
    assert "model_broke_off" in events[-1].told
    assert await both.calls(asha, run_id) == [("m0", "hedged"), ("m1", "model_broke_off")]


async def test_cancelling_during_a_hedge_closes_both_connections(
    hedged: OpenHedged, asha: Caller
) -> None:
    both = await hedged(STALL, STALL)
    run_id = (await both.chat.ask(asha)).run.id
    await until(lambda: len(both.second.requests) == 1)
    await both.chat.cancel_run(caller=asha, run_id=run_id)
    async with asyncio.timeout(5):
        await both.first.gone.wait()
        await both.second.gone.wait()
    await idle(both.chat)
    assert await both.calls(asha, run_id) == [("m0", "interrupted"), ("m1", "interrupted")]
    assert (await both.chat.events(asha, run_id))[-1].type == "cancelled"
    assert (await spending_rows(both.chat, asha))[asha.person_id][1] == 0


async def test_to_be_overtaken_is_neither_a_failure_of_a_model_nor_a_success(
    hedged: OpenHedged, asha: Caller
) -> None:
    both = await hedged(status(500), answering("second"))
    both.chat.health.limits = BreakerLimits(failures_max=2)
    for say, state in (
        (status(500), BreakerState.CLOSED),
        (STALL, BreakerState.CLOSED),  # as a second failure it would open
        (status(500), BreakerState.OPEN),  # after a success it would not
    ):
        both.first.say = say
        assert (await answered(both.chat, asha))[1] == "second"
        assert both.chat.health.states()["m0"] is state


async def test_what_comes_last_is_no_hedge(hedged: OpenHedged, asha: Caller) -> None:
    both = await hedged(answering("never"), saying(OK, HEDGE * 2, chunk("late"), *END))
    assert await answered(both.chat, asha, model="m1") == ([], "late")


async def test_both_calls_are_reserved_or_nothing_is_asked(
    hedged: OpenHedged, asha: Caller
) -> None:
    answer = answering("first")
    budgets = Budgets(person=Budget(tokens_max=2 * ONE - 1))
    both = await hedged(answer, answer, budgets=budgets, prices=prices(m0=3, m1=5))
    with pytest.raises(BudgetExhausted):
        await both.chat.ask(asha)
    await choose(both.chat, asha, "m0")  # with nothing to hedge by
    assert (await answered(both.chat, asha)) == ([], "first")
    roomy = await hedged(STALL, STALL, prices=prices(m0=3, m1=5))
    await choose(roomy.chat, asha, "m0", "m1")
    await roomy.chat.ask(asha)
    (row,) = await roomy.chat.rows(
        asha, "SELECT tokens, cost_micros FROM reservations WHERE tenant_id = :tenant"
    )
    assert row.tokens == 2 * ONE
    read = row.cost_micros / (3 + 5)
    assert 0 < read <= ONE


async def test_a_hedge_that_was_not_reserved_is_not_started(
    hedged: OpenHedged, asha: Caller
) -> None:
    late = saying(OK, HEDGE * 2, chunk("late"), *END)
    both = await hedged(late, answering("never"), queue_topic="unreserved hedges")
    await choose(both.chat, asha, "m0")
    conversation_id = await both.chat.conversation(asha)
    running = await both.chat.ask(asha, conversation_id)
    waiting = await both.chat.ask(asha, conversation_id, when_busy=WhenBusy.QUEUE)
    await choose(both.chat, asha, "m0", "m1")
    for asked in (running, waiting):
        assert await told(both.chat, asha, asked.run.id) == ([], "late")
    assert both.second.requests == []
