"""The models of a tenant, as its administrator and its operator choose them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.running.people import Person, json_of, problem_of, signed_in, signed_up
from tests.integration.running.program import Program, command, ending
from tests.integration.running.test_model_failures import LEASE, QUESTION, QUOTED, ask
from tests.scripted_upstream import OK, Upstream, answering, saying, upstream

PATH = "/v1/model-chains/answer"
EMBEDDER = "all-MiniLM-L6-v2-int8-1"
ALL = ["first", "second", "extractive-1"]


@dataclass
class Served:
    """A program with two models, each a server that says its name; Ada administers its tenant."""

    program: Program
    ada: Person
    first: Upstream

    async def tenant_models(self, *arguments: str) -> tuple[int, str]:
        status, said, _ = await command(
            "tenant", "models", "default", *arguments,
            directory=self.program.data_dir.parent, **self.program.settings,
        )  # fmt: skip
        return status, said


@pytest.fixture(scope="module")
async def served(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Served]:
    async with AsyncExitStack() as stack:
        program = Program(places(), models=built_models, model_hedge_seconds=5.0)
        first, second = [
            await stack.enter_async_context(upstream(answering(name))) for name in ALL[:2]
        ]
        chain = [
            {"name": name, "options": {"url": server.url, "model": name}}
            for name, server in zip(ALL, (first, second), strict=False)
        ]
        program.settings["models"] = json.dumps(chain)
        await stack.enter_async_context(ending(program))
        await program.start()
        ada = await stack.enter_async_context(signed_up(program, "Ada"))
        await ada.ready(LEASE, filename="lease.md", title="Lease")
        place = places()
        await command(
            "role", "set", ada.email, "admin",
            directory=place, data_dir=place, database_url=program.database_url,
        )  # fmt: skip
        tokens = await signed_in(ada.http, ada.email)
        ada.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        yield Served(program, ada, first)


async def models_of(person: Person) -> list[str]:
    return [each["id"] for each in json_of(await person.http.get("/v1/models"))["data"]]


async def test_an_administrator_chooses_models_and_takes_the_choice_back(served: Served) -> None:
    ada = served.ada
    assert json_of(await ada.http.get(PATH)) == {"task": "answer", "models": None, "tried": ALL}
    told = json_of(await ada.http.put(PATH, json={"models": ["second"]}))
    chosen = {"task": "answer", "models": ["second"], "tried": ["second", "extractive-1"]}
    assert told == json_of(await ada.http.get(PATH)) == chosen
    assert await models_of(ada) == ["second", "extractive-1", EMBEDDER]
    assert (await ask(ada)).text == "second"
    body = {"model": "first", "messages": [{"role": "user", "content": QUESTION}]}
    answer = await ada.http.post("/v1/chat/completions", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert json_of(await ada.http.put(PATH, json={"models": []}))["tried"] == ["extractive-1"]
    assert QUOTED in (await ask(ada)).text
    for _ in range(2):
        assert (await ada.http.delete(PATH)).status_code == 204
    assert await models_of(ada) == [*ALL, EMBEDDER]
    assert (await ask(ada)).text == "first"


@pytest.mark.parametrize(
    ("models", "pointer"),
    [
        (["first", "third"], "/models/1"),
        (["first", "first"], "/models/1"),
        (["extractive-1"], "/models/0"),
        ([EMBEDDER], "/models/0"),
        (["first", ""], "/models/1"),
        (["first", "x" * 101], "/models/1"),
        (["first", 7], "/models/1"),
        (["first"] * 101, "/models"),
        ("first", "/models"),
        (None, "/models"),
    ],
)
async def test_what_cannot_be_chosen_is_named_and_changes_nothing(
    served: Served, models: object, pointer: str
) -> None:
    answer = await served.ada.http.put(PATH, json={"models": models})
    problem = problem_of(answer, [400])
    assert [each["pointer"] for each in problem["errors"]] == [pointer]
    assert json_of(await served.ada.http.get(PATH))["models"] is None


@pytest.mark.slow
async def test_an_operator_chooses_models_beside_a_server_that_follows(served: Served) -> None:
    order = "tried in this order: "
    assert await served.tenant_models("second", "first") == (
        0, f"{order}second, first, extractive-1\n",
    )  # fmt: skip
    assert (await ask(served.ada)).text == "second"
    status, said = await served.tenant_models("first", "third")
    assert status == 2
    assert "third: This deployment has no such model." in " ".join(said.replace("│", " ").split())
    back = f"nothing is chosen; {order}first, second, extractive-1\n"
    assert await served.tenant_models("--all") == (0, back)
    assert (await ask(served.ada)).text == "first"


async def test_a_slow_first_model_is_overtaken_where_that_is_set(served: Served) -> None:
    served.first.say = saying(OK, 60.0)
    asked = await ask(served.ada)
    served.first.say = answering("first")
    assert asked.text == "second"
    (fallback,) = asked.of("fallback")
    assert fallback == {"from": "first", "to": "second", "reason": "hedged"}
    run_id = asked.of("run_started")[0]["run_id"]
    run = json_of(await served.ada.http.get(f"/v1/runs/{run_id}"))
    assert run["answered_by"] == "second"
    assert sorted((each["model"], each["outcome"]) for each in run["calls"]) == [
        ("first", "hedged"),
        ("second", "answered"),
    ]
    metrics = (await served.ada.http.get("/metrics")).text
    assert 'strongroom_model_calls_total{model="first",outcome="hedged"} 1.0' in metrics
