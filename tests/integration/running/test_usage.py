"""What answers took, what is left of a budget, and what is said when nothing is."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from tests.integration.running.people import PASSWORD, Json, Person, json_of, problem_of, signed_up
from tests.integration.running.program import Program, command, ending
from tests.integration.running.test_model_failures import LEASE, QUESTION, QUOTED, Asked, ask
from tests.scripted_upstream import Upstream, answering, saying, upstream

READ, WROTE = 1_000, 50
DAY = f"{datetime.now(UTC).date()}"
PRICES = """
currency = "EUR"
[[prices]]
model = "first"
since = 2020-01-01
input = 2.00
output = 10.00
[[prices]]
model = "second"
since = 2020-01-01
until = 2021-01-01
input = 900
output = 900
[[prices]]
model = "second"
since = 2021-01-01
input = 0
output = 0
"""
COST = (READ * 2 + WROTE * 10) / 1_000_000


@dataclass
class Served:
    """A program with two models of one scripted server, whose budgets hold two answers a person."""

    program: Program
    server: Upstream


@pytest.fixture(scope="module")
async def served(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Served]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            upstream(answering("An ", "answer.", read=READ, wrote=WROTE))
        )
        place = places()
        prices = place / "prices.toml"
        prices.write_text(PRICES)
        chain = [
            {"name": name, "options": {"url": server.url, "model": f"{name}-upstream"}}
            for name in ("first", "second")
        ]
        program = Program(
            place,
            models=built_models,
            prices_file=prices,
            model_output_tokens_max=100,
            budget_tokens_per_person=12_000,
            budget_cost_per_person="0.05",
            budget_tokens_per_tenant=1_000_000,
            extractive_words_per_second=0,
        )
        program.settings["models"] = json.dumps(chain)
        await stack.enter_async_context(ending(program))
        await program.start()
        yield Served(program, server)


@pytest.fixture
async def asha(served: Served) -> AsyncIterator[Person]:
    async with signed_up(served.program, "Asha") as person:
        await person.ready(LEASE, filename="lease.md", title="Lease")
        yield person


async def usage_of(person: Person, **query: str) -> list[Json]:
    return list(json_of(await person.http.get("/v1/usage", params=query))["items"])


async def until_exhausted(person: Person) -> int:
    """How many answers were had before."""
    for number in range(100):
        chat = json_of(await person.http.post("/v1/conversations", json={}))["id"]
        path = f"/v1/conversations/{chat}/messages"
        answer = await person.http.post(path, json={"content": QUESTION})
        if answer.status_code == 429:
            return number
        run = json_of(answer)["run"]["id"]
        async with person.http.stream("GET", f"/v1/runs/{run}/events") as events:
            await events.aread()
    raise AssertionError("the budget never ends")


async def test_usage_is_told_by_day_and_model_with_the_price_of_the_day(
    served: Served, asha: Person
) -> None:
    assert await usage_of(asha) == []
    asked = await ask(asha)
    assert asked.text == "An answer."
    (told,) = asked.of("usage")
    assert told == {
        "model": "first", "input_tokens": READ, "output_tokens": WROTE, "cost": COST,
        "currency": "EUR", "estimated": False,
    }  # fmt: skip
    await ask(asha, model="second")
    await ask(asha, model="extractive-1")
    assert await usage_of(asha) == [
        {
            "day": DAY, "model": model, "answers": 1, "failed_calls": 0, "input_tokens": read,
            "cached_tokens": 0, "output_tokens": wrote, "cost": cost, "currency": "EUR",
            "unpriced_calls": 0,
        }
        for model, read, wrote, cost in (
            ("extractive-1", 0, 0, 0), ("first", READ, WROTE, COST), ("second", READ, WROTE, 0),
        )
    ]  # fmt: skip
    today = json_of(await asha.http.get("/v1/usage/today"))
    assert today["tenant"] is None
    assert today["own"] == {
        "tokens_spent": 2 * (READ + WROTE), "tokens_reserved": 0, "tokens_max": 12_000,
        "cost_spent": COST, "cost_reserved": 0, "cost_max": 0.05,
    }  # fmt: skip
    metrics = (await asha.http.get("/metrics")).text
    assert re.search(r'strongroom_model_cost_total{model="first"} 0\.00', metrics)


async def test_usage_has_pages_and_a_period(served: Served, asha: Person) -> None:
    await ask(asha, model="first")
    await ask(asha, model="second")
    first = json_of(await asha.http.get("/v1/usage", params={"limit": 1}))
    assert [each["model"] for each in first["items"]] == ["first"]
    query = {"limit": 1, "cursor": first["next_cursor"]}
    second = json_of(await asha.http.get("/v1/usage", params=query))
    assert [each["model"] for each in second["items"]] == ["second"]
    assert second["next_cursor"] is None
    today = datetime.now(UTC).date()
    yesterday, tomorrow = str(today - timedelta(days=1)), str(today + timedelta(days=1))
    assert len(await usage_of(asha, since=str(today), until=tomorrow)) == 2
    assert len(await usage_of(asha, since=str(today))) == 2
    assert await usage_of(asha, until=str(today)) == []
    assert await usage_of(asha, since=yesterday, until=str(today)) == []
    assert await usage_of(asha, since="2999-12-31") == []
    for query in (
        {"since": "yesterday"}, {"until": "2026-02-30"}, {"since": "0001-01-01"},
        {"until": "9999-12-31"}, {"since": tomorrow, "until": yesterday},
        {"since": "2020-01-01", "until": "2022-01-01"}, {"whose": "everybody"},
        {"since": str(today), "cursor": first["next_cursor"]},
    ):  # fmt: skip
        problem = problem_of(await asha.http.get("/v1/usage", params=query), [400])
        assert problem["errors"][0]["pointer"].removeprefix("/query/") in query, query


async def test_an_administrator_sees_what_the_tenant_takes_and_nobody_else_does(
    served: Served, asha: Person, place: Path
) -> None:
    await ask(asha)
    refused = await asha.http.get("/v1/usage", params={"whose": "tenant"})
    problem_of(refused, [403])
    program = served.program
    code, said, _ = await command(
        *("role", "set", asha.email, "admin"),
        directory=place,
        data_dir=place,
        database_url=program.database_url,
    )
    assert code == 0, said
    account = {"email": asha.email, "password": PASSWORD}
    tokens = json_of(await asha.http.post("/v1/sessions", json=account))
    asha.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    async with signed_up(program, "Ben") as ben:
        await ask(ben)
        own, whole = await usage_of(asha), await usage_of(asha, whose="tenant")
        assert [each["answers"] for each in own if each["model"] == "first"] == [1]
        assert next(each["answers"] for each in whole if each["model"] == "first") >= 2
        today = json_of(await asha.http.get("/v1/usage/today"))
        assert today["tenant"]["tokens_spent"] >= 2 * (READ + WROTE)
        assert today["tenant"]["tokens_max"] == 1_000_000


async def test_a_spent_budget_is_a_clear_problem_and_quoting_stays(
    served: Served, asha: Person, figure: Callable[[str], None]
) -> None:
    number = await until_exhausted(asha)
    assert number > 1
    conversations = json_of(await asha.http.get("/v1/conversations"))["items"]
    chat = json_of(await asha.http.post("/v1/conversations", json={}))["id"]
    path = f"/v1/conversations/{chat}/messages"
    refused = await asha.http.post(path, json={"content": QUESTION})
    problem = problem_of(refused, [429])
    assert problem["code"] == "budget_exhausted"
    assert problem["type"] == "urn:strongroom:problem:budget_exhausted"
    assert '"extractive-1" costs nothing' in problem["detail"]
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    assert json_of(await asha.http.get(f"/v1/conversations/{chat}/messages"))["items"] == []
    streamed = await asha.http.post(
        path, json={"content": QUESTION}, headers={"Accept": "text/event-stream"}
    )
    problem_of(streamed, [429])
    spent = json_of(await asha.http.get("/v1/usage/today"))["own"]
    asked = await ask(asha, model="extractive-1")
    assert QUOTED in asked.text
    assert json_of(await asha.http.get("/v1/usage/today"))["own"] == spent
    assert spent["tokens_spent"] == number * (READ + WROTE)
    assert spent["tokens_reserved"] == 0
    figure(f"{number} answers of {READ + WROTE} tokens, then 429; of 12000 tokens {spent}")
    assert conversations


async def test_openais_client_is_told_in_openais_words_and_does_not_try_again(
    served: Served, asha: Person
) -> None:
    await until_exhausted(asha)
    before = len(served.server.requests)
    had = json_of(await asha.http.get("/v1/conversations"))["items"]
    client = AsyncOpenAI(
        base_url=f"{served.program.url}/v1", api_key=asha.tokens["access_token"], max_retries=3
    )
    question: Any = [{"role": "user", "content": QUESTION}]
    async with client:
        names = [each.id async for each in client.models.list()]
        assert names[:3] == ["first", "second", "extractive-1"]
        for stream in (False, True):
            async with asyncio.timeout(5):
                with pytest.raises(openai.RateLimitError) as refused:
                    await client.chat.completions.create(
                        model="first", messages=question, stream=stream
                    )
            assert refused.value.code == "budget_exhausted"
            assert refused.value.type == "insufficient_quota"
            assert "costs nothing" in refused.value.message
        assert json_of(await asha.http.get("/v1/conversations"))["items"] == had
        quoted = await client.chat.completions.create(model="extractive-1", messages=question)
        assert QUOTED in (quoted.choices[0].message.content or "")
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="third", messages=question)
    assert len(served.server.requests) == before


async def test_a_model_that_there_is_not_is_named_as_wrong(served: Served, asha: Person) -> None:
    chat = json_of(await asha.http.post("/v1/conversations", json={}))["id"]
    for wrong in ("third", "First", "first-upstream"):
        answer = await asha.http.post(
            f"/v1/conversations/{chat}/messages", json={"content": QUESTION, "model": wrong}
        )
        problem = problem_of(answer, [400])
        assert problem["errors"][0]["pointer"] == "/model"
    front_end = {"id": "c1", "message": {"role": "user", "parts": [{"type": "text", "text": "?"}]}}
    answer = await asha.http.post("/api/chat", json={**front_end, "model": "third"})
    assert problem_of(answer, [400])["errors"][0]["pointer"] == "/model"


async def test_the_next_model_takes_over_and_is_named_as_the_one_that_answered(
    served: Served, asha: Person
) -> None:
    well = served.server.say

    async def only_the_second(writer: asyncio.StreamWriter) -> None:
        second = b"second-upstream" in served.server.requests[-1]
        broken = saying(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n")
        await (well if second else broken)(writer)

    served.server.say = only_the_second
    try:
        asked: Asked = await ask(asha)
    finally:
        served.server.say = well
    assert [(each["from"], each["to"]) for each in asked.of("fallback")] == [("first", "second")]
    run_id = asked.of("run_started")[0]["run_id"]
    run = json_of(await asha.http.get(f"/v1/runs/{run_id}"))
    assert run["answered_by"] == "second"
    assert [each["outcome"] for each in run["calls"]] == [
        "model_unavailable", "model_unavailable", "answered",
    ]  # fmt: skip
    days = {each["model"]: each for each in await usage_of(asha)}
    assert (days["first"]["answers"], days["first"]["failed_calls"]) == (0, 2)


@pytest.mark.slow
async def test_what_a_killed_program_had_reserved_can_be_spent_again(
    served: Served, asha: Person, figure: Callable[[str], None]
) -> None:
    """The lease of its run ends after half a minute, and what it had reserved some time later."""
    program, well = served.program, served.server.say
    served.server.say = saying(60.0)
    chat = json_of(await asha.http.post("/v1/conversations", json={}))["id"]
    answer = await asha.http.post(f"/v1/conversations/{chat}/messages", json={"content": QUESTION})
    run_id = json_of(answer)["run"]["id"]
    before = json_of(await asha.http.get("/v1/usage/today"))["own"]
    assert before["tokens_reserved"] > 3_000
    await program.kill()
    served.server.say = well
    await program.start()
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with program.client() as http:
        http.headers["Authorization"] = asha.http.headers["Authorization"]
        async with asyncio.timeout(130):
            while True:
                own = json_of(await http.get("/v1/usage/today"))["own"]
                if own["tokens_reserved"] == 0:
                    break
                await asyncio.sleep(1)
        seconds = loop.time() - began
        run = json_of(await http.get(f"/v1/runs/{run_id}"))
    assert own["tokens_spent"] == before["tokens_spent"]
    assert run["state"] == "failed"
    assert [each["outcome"] for each in run["calls"]] == ["abandoned"]
    figure(f"{before['tokens_reserved']} reserved tokens released {seconds:.0f} s after a kill -9")
