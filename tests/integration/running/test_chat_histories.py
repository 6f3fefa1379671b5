"""Many chat at once on two processes that are killed and frozen, over a database that crashes.

What they noted is judged by tests/chat_history.py, which knows nothing of how it came about.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.chat_history import Ask, Outcome, findings
from tests.integration.running.chat_clients import Notes, as_seen, chatting, final_of
from tests.integration.running.people import Person, json_of, signed_up
from tests.integration.running.two_processes import TwoProcesses, frozen

FACTS = "".join(f"The deposit of flat {number} is {number * 100} euros. " for number in range(1, 7))
LEASE_SECONDS = 3.0
END_SECONDS_MAX = 60.0
TRIES_MAX = 4
REAPED_SECONDS = 5.0
"""How often abandoned runs are looked for."""

Fault = Callable[[TwoProcesses, Notes, random.Random], Coroutine[Any, Any, bool]]
"""Says whether it landed: whether somebody waited for an answer when it came."""


@pytest.fixture(scope="module")
async def processes(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[TwoProcesses]:
    made = TwoProcesses(
        places(),
        models=built_models,
        extractive_words_per_second=25,
        run_lease_seconds=LEASE_SECONDS,
        access_token_seconds=3600,
        sign_in_rate_per_account="1000/minute",
    )
    async with made.running():
        yield made


async def killing(processes: TwoProcesses, notes: Notes, chance: random.Random) -> bool:
    """Kill one of them, and start it again a little later."""
    program = chance.choice(processes.both)
    busy = notes.under_way[program.pid] > 0
    await program.kill()
    await asyncio.sleep(chance.uniform(0, 2))
    await program.start()
    return busy


async def freezing(processes: TwoProcesses, notes: Notes, chance: random.Random) -> bool:
    return await _frozen(processes, notes, chance, chance.uniform(0.3, LEASE_SECONDS / 2))


async def freezing_past_its_lease(
    processes: TwoProcesses, notes: Notes, chance: random.Random
) -> bool:
    """Until the other one has ended what it was writing."""
    return await _frozen(processes, notes, chance, LEASE_SECONDS + 2 * REAPED_SECONDS)


async def _frozen(
    processes: TwoProcesses, notes: Notes, chance: random.Random, seconds: float
) -> bool:
    program = chance.choice(processes.both)
    busy = notes.under_way[program.pid] > 0
    async with frozen(program):
        await asyncio.sleep(seconds)
    return busy


async def crashing_the_database(
    processes: TwoProcesses, notes: Notes, chance: random.Random
) -> bool:
    busy = notes.under_way.total() > 0
    await processes.crash_database(down_seconds=chance.uniform(0, 2))
    return busy


async def conversations_of(person: Person, count: int) -> list[str]:
    http = person.http
    return [str(json_of(await http.post("/v1/conversations", json={}))["id"]) for _ in range(count)]


async def judged(
    processes: TwoProcesses,
    person: Person,
    *,
    clients: int,
    conversations: int,
    faults: Sequence[Fault],
    figure: Callable[[str], None],
) -> None:
    """Let them chat under faults that land, in any order, and judge what came of it."""
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    token = person.tokens["access_token"]
    notes = Notes(await conversations_of(person, conversations))
    landed: Counter[str] = Counter()
    async with chatting(processes, token, notes, clients=clients, seed=seed):
        for fault in chance.sample(faults, len(faults)):
            for _ in range(TRIES_MAX):
                await asyncio.sleep(chance.uniform(1, 4))
                if await fault(processes, notes, chance):
                    landed[fault.__name__] += 1
                    break
        await asyncio.sleep(2)
    over_at = time.monotonic()
    finals = []
    for program in processes.both:
        assert program.is_running, program.said[-4000:]
        async with program.client(headers=person.http.headers) as http:
            http.timeout = END_SECONDS_MAX
            finals.append(await final_of(http))
    history = notes.history + as_seen(finals[1], time.monotonic())
    wrong = findings(history, finals[0])
    asks = Counter(each.outcome for each in history if isinstance(each, Ask))
    states = Counter(run.state for run in finals[0].runs.values())
    figure(
        f"seed {seed}: {len(history)} operations of {clients} clients in"
        f" {len(finals[0].conversations)} conversations: {asks[Outcome.DONE]} questions"
        f" acknowledged, {asks[Outcome.REFUSED]} refused, {asks[Outcome.UNKNOWN]} unknown;"
        f" landed: {dict(landed)}; runs {dict(states)} of"
        f" {sum(map(len, finals[0].events.values()))} events; requests {dict(notes.outcomes)};"
        f" all told {time.monotonic() - over_at:.1f} s after the last;"
        f" findings: {dict(Counter(each.name for each in wrong))}"
    )
    assert not wrong, "\n".join(f"{each.name}: {each.about}" for each in wrong[:20])
    assert asks[Outcome.DONE] >= clients // 2
    assert landed.total() == len(faults)


@pytest.mark.slow
async def test_a_kill_loses_doubles_and_reorders_nothing(
    processes: TwoProcesses, figure: Callable[[str], None]
) -> None:
    async with signed_up(processes.first, "Asha") as asha:
        await asha.ready(FACTS, filename="flats.md")
        await judged(processes, asha, clients=8, conversations=6, faults=[killing], figure=figure)


@pytest.mark.long
async def test_kills_freezes_and_crashes_lose_double_and_reorder_nothing(
    processes: TwoProcesses, figure: Callable[[str], None]
) -> None:
    faults = [killing] * 6 + [freezing] * 2 + [freezing_past_its_lease] * 2
    faults += [crashing_the_database] * 3
    async with signed_up(processes.first, "Ben") as ben:
        await ben.ready(FACTS, filename="flats.md")
        await judged(processes, ben, clients=32, conversations=20, faults=faults, figure=figure)
