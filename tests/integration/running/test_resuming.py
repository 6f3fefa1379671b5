"""A live stream cut at every boundary, and within a frame, goes on to the byte, on either of two
processes that serve one database."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx2
import pytest

from tests.integration.running.people import Person, json_of, signed_up
from tests.integration.running.program import Program, ending

FACTS = "".join(
    f"The deposit of flat {number} is {number * 100} euros. " for number in range(1, 7)
).encode()
FRAME = re.compile(rb"id: (\d+)\nevent: \w+\ndata: .*\n\n")


@pytest.fixture(scope="module")
async def two(
    built_models: Path, places: Callable[[], Path]
) -> AsyncIterator[tuple[Program, Program]]:
    first = Program(places(), models=built_models, extractive_words_per_second=60)
    async with ending(first):
        await first.start()
        second = Program(
            places(), data_dir=first.data_dir, database_url=first.database_url, worker="false"
        )
        async with ending(second):
            await second.start()
            yield first, second


async def asked(person: Person) -> str:
    http = person.http
    chat = json_of(await http.post("/v1/conversations", json={}))["id"]
    question = {"content": "How much is the deposit of each flat?"}
    answer = await http.post(f"/v1/conversations/{chat}/messages", json=question)
    return f"/v1/runs/{json_of(answer)['run']['id']}/events"


async def cut_after(http: httpx2.AsyncClient, events: str, frames: int, *, within: bool) -> bytes:
    """What a reader has whose connection is cut after so many frames, or within the next one."""
    body = b""
    async with http.stream("GET", events, timeout=60) as answer:
        async for piece in answer.aiter_raw():
            body += piece
            ends = [match.end() for match in FRAME.finditer(body)]
            if len(ends) >= frames + within:
                end = ends[frames - 1] if frames else body.find(b"id: 1\n")
                return body[: end + 7] if within else body[:end]
    return body


async def test_a_live_stream_that_is_cut_anywhere_goes_on_to_the_byte(
    two: tuple[Program, Program], figure: Callable[[str], None]
) -> None:
    first, second = two
    boundaries = 60
    async with signed_up(first, "Asha") as person, second.client() as there:
        here = person.http
        there.headers["Authorization"] = here.headers["Authorization"]
        await person.ready(FACTS, filename="flats.md")
        events = await asked(person)

        async def read_twice(number: int, within: bool) -> bytes:
            """Read on one process up to the cut, and from there on the other one."""
            begin, go_on = (here, there) if number % 2 else (there, here)
            body = await cut_after(begin, events, number, within=within)
            whole = b"".join(match[0] for match in FRAME.finditer(body))
            last = str(len(FRAME.findall(whole)))
            rest = await go_on.get(events, headers={"Last-Event-ID": last}, timeout=60)
            return whole + b"".join(match[0] for match in FRAME.finditer(rest.content))

        cuts = [(number, within) for number in range(1, boundaries) for within in (False, True)]
        halves = await asyncio.gather(*(read_twice(*cut) for cut in cuts))
        replay = await here.get(events)
    whole = b"".join(match[0] for match in FRAME.finditer(replay.content))
    numbers = [int(number) for number in FRAME.findall(whole)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > boundaries
    mismatches = sum(half != whole for half in halves)
    figure(f"{len(halves)} cuts of a live stream of {len(numbers)} events: {mismatches} mismatches")
    assert mismatches == 0
