"""A tenant's own models: chosen on one process, and used for the next answer on the other."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.running.people import Person, json_of, signed_in, signed_up
from tests.integration.running.program import Program, command
from tests.integration.running.test_chosen_models_over_http import ALL, PATH
from tests.integration.running.test_model_failures import LEASE, QUOTED, ask
from tests.integration.running.two_processes import TwoProcesses
from tests.scripted_upstream import Upstream, answering, upstream

CHOICES: tuple[list[str] | None, ...] = (["second"], ["second", "first"], None, [], ["first"])
ROUNDS = 20


@dataclass
class Pair:
    """Two processes, and the servers of their two models, each of which says its name; Ada
    administers the tenant, on whichever process she is sent to."""

    processes: TwoProcesses
    ada: Person
    servers: dict[str, Upstream]

    def at(self, program: Program) -> Person:
        self.ada.http.base_url = program.url
        return self.ada

    async def choose(self, program: Program, models: list[str] | None) -> None:
        http = self.at(program).http
        if models is None:
            assert (await http.delete(PATH)).status_code == 204
        else:
            assert (await http.put(PATH, json={"models": models})).status_code == 200

    async def answered(self, program: Program) -> tuple[str, set[str]]:
        """What the answer says, and the models that were sent its prompt."""
        before = {name: len(each.requests) for name, each in self.servers.items()}
        text = (await ask(self.at(program))).text
        sent = {name: len(each.requests) for name, each in self.servers.items()}
        return text, {name for name in sent if sent[name] > before[name]}


@pytest.fixture(scope="module")
async def pair(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        servers = {
            name: await stack.enter_async_context(upstream(answering(name))) for name in ALL[:2]
        }
        models = [
            {"name": name, "options": {"url": server.url, "model": name}}
            for name, server in servers.items()
        ]
        processes = TwoProcesses(places(), models=built_models)
        for program in processes.both:
            program.settings["models"] = json.dumps(models)
        await stack.enter_async_context(processes.running())
        ada = await stack.enter_async_context(signed_up(processes.first, "Ada"))
        await ada.ready(LEASE, filename="lease.md", title="Lease")
        place = places()
        status, said, _ = await command(
            "role", "set", ada.email, "admin",
            directory=place, data_dir=place, database_url=processes.database_url,
        )  # fmt: skip
        assert status == 0, said
        tokens = await signed_in(ada.http, ada.email)
        ada.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        yield Pair(processes, ada, servers)


async def test_the_next_answer_on_the_other_process_is_made_by_what_was_chosen(
    pair: Pair, figure: Callable[[str], None]
) -> None:
    wrong = []
    for number in range(ROUNDS):
        models = CHOICES[number % len(CHOICES)]
        here = pair.processes.both[number // len(CHOICES) % 2]
        there = pair.processes.other_than(here)
        await pair.choose(here, models)
        tried = [*(ALL[:2] if models is None else models), ALL[2]]
        shown = json_of(await pair.at(there).http.get(PATH))
        text, asked = await pair.answered(there)
        expected = (tried[0], {tried[0]}) if tried[0] in ALL[:2] else (QUOTED, set())
        if (shown["models"], shown["tried"]) != (models, tried) or (
            expected[0] not in text or asked != expected[1]
        ):
            wrong.append((models, shown, text, asked))
    figure(f"{ROUNDS - len(wrong)} of {ROUNDS} choices held for the next answer elsewhere")
    assert wrong == []


@pytest.mark.slow  # it starts a process anew
async def test_what_was_chosen_on_a_process_that_died_holds_on_the_other(pair: Pair) -> None:
    first, second = pair.processes.both
    await pair.choose(first, ["second"])
    await first.kill()
    assert await pair.answered(second) == ("second", {"second"})
    await pair.choose(second, ["first"])
    await first.start()
    assert await pair.answered(first) == ("first", {"first"})
