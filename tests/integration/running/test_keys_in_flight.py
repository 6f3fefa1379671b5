"""Idempotency-Key while the first request is under way: a bounded wait, then a clear answer.

The first is held in flight as a crowded database would hold it: it has claimed its key, and then
waits for the row of its conversation, which this test has locked.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import uuid4

import asyncpg
import httpx2

from adapters.postgres.idempotency import KEY_WAIT_SECONDS_MAX
from tests.integration.running.people import Person, json_of, problem_of
from tests.integration.running.program import Program

REPEATS = 12  # with the first, and another, as many as a server's pool has connections for
HELD_SECONDS = KEY_WAIT_SECONDS_MAX + 1.5  # less than any other wait for a lock may take


@asynccontextmanager
async def held(program: Program, conversation_id: str) -> AsyncIterator[asyncpg.Connection]:
    """Nobody else gets the conversation's row meanwhile. Yields a connection to look on with."""
    holding = await asyncpg.connect(program.database_url)
    looking = await asyncpg.connect(program.database_url)
    try:
        async with holding.transaction():
            lock = "SELECT id FROM conversations WHERE id = $1 FOR UPDATE"
            assert await holding.fetchval(lock, conversation_id) is not None
            yield looking
    finally:
        await holding.close()
        await looking.close()


async def until_in_flight(looking: asyncpg.Connection, waiting: int = 1) -> None:
    """As many wait for a lock."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    for _ in range(300):
        if await looking.fetchval(count) >= waiting:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")


@asynccontextmanager
async def in_flight(program: Program, person: Person) -> AsyncIterator[InFlight]:
    """A first request that cannot go on within."""
    begun = json_of(await person.http.post("/v1/conversations", json={}))
    ask = Asking(person, begun["id"])
    async with held(program, begun["id"]) as looking:
        first = asyncio.create_task(ask())
        await until_in_flight(looking)
        yield InFlight(ask, first, looking)


class Asking:
    """One conversation, one key."""

    def __init__(self, person: Person, conversation_id: str) -> None:
        self.person = person
        self.path = f"/v1/conversations/{conversation_id}/messages"
        self.key = {"Idempotency-Key": uuid4().hex}

    async def __call__(self, content: str = "Where does it nest?") -> tuple[httpx2.Response, float]:
        began = time.monotonic()
        answer = await self.person.http.post(
            self.path, json={"content": content}, headers=self.key, timeout=30
        )
        return answer, time.monotonic() - began


class InFlight(NamedTuple):
    """How to repeat it, the first request itself, and a connection to look on with."""

    ask: Asking
    first: asyncio.Task[tuple[httpx2.Response, float]]
    looking: asyncpg.Connection


async def test_repeats_of_a_request_in_flight_wait_a_while_and_are_told_to_come_again(
    running: Program, asha: Person, figure: Callable[[str], None]
) -> None:
    async with in_flight(running, asha) as (ask, first, _):
        until = time.monotonic() + HELD_SECONDS
        repeats = [asyncio.create_task(ask()) for _ in range(REPEATS)]
        other = asyncio.create_task(ask("Something else?"))
        answered = await asyncio.gather(*repeats, other)
        await asyncio.sleep(until - time.monotonic())
        assert not first.done()
    accepted, _ = await first
    assert accepted.status_code == 202, accepted.text
    for refused, _ in answered:
        assert problem_of(refused, [409])["code"] == "idempotency_key_in_use"
        assert refused.headers["retry-after"] == "1"
    slowest = max(seconds for _, seconds in answered)
    figure(f"{len(answered)} repeats of a request in flight: 409 after {slowest:.1f} s at most")
    again, _ = await ask()
    assert (again.status_code, json_of(again)["run"]["id"]) == (
        202,
        json_of(accepted)["run"]["id"],
    )
    changed, _ = await ask("Something else?")
    assert problem_of(changed, [422])["code"] == "idempotency_key_reused"
    messages = json_of(await asha.http.get(ask.path))["items"]
    assert [each["content"] for each in messages if each["role"] == "user"] == [
        "Where does it nest?"
    ]


async def test_a_repeat_is_answered_as_the_first_where_that_ends_in_time(
    running: Program, asha: Person
) -> None:
    async with in_flight(running, asha) as (ask, first, looking):
        repeats = [asyncio.create_task(ask()) for _ in range(3)]
        other = asyncio.create_task(ask("Something else?"))
        await until_in_flight(looking, 2)
        await asyncio.sleep(0.2)
        assert not any(each.done() for each in (first, other, *repeats))
    answers = [answer for answer, _ in await asyncio.gather(first, *repeats)]
    assert {answer.status_code for answer in answers} == {202}
    assert len({json_of(answer)["run"]["id"] for answer in answers}) == 1
    changed, _ = await other
    assert problem_of(changed, [422])["code"] == "idempotency_key_reused"


async def test_where_the_first_comes_to_nothing_a_repeat_takes_its_place(
    running: Program, asha: Person
) -> None:
    async with in_flight(running, asha) as (ask, first, looking):
        # The first dies as a process that is killed would: its transaction is rolled back.
        ended = await looking.fetchval(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND query LIKE '%conversations%'"
        )
        assert ended == 1
    broken, _ = await first
    assert broken.status_code == 503, broken.text
    again, _ = await ask()
    assert again.status_code == 202, again.text
