"""Files made to do harm, through the front door: others go on while they are ingested.

Invariant 15. Every bomb goes through the real child processes in tests/integration/extraction;
here is every third one, and what the program as a whole makes of them.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable

import httpx2
import psutil
import pytest

from tests.integration.extraction.bombs import BOMBS, HARMLESS, MEBIBYTE, making
from tests.integration.running.conftest import UPLOAD_BYTES_MAX
from tests.integration.running.people import Person
from tests.integration.running.program import Program

GROWTH_MAX = 50 * MEBIBYTE
ANSWER_SECONDS_MAX = 5.0
NAMES = list(dict.fromkeys([*list(BOMBS)[::3], "html: nested deeply", *list(HARMLESS)[::3]]))


@pytest.mark.slow
@pytest.mark.usefixtures("unfailing")
async def test_neighbours_go_on_while_bombs_are_ingested(
    running: Program, asha: Person, ben: Person, figure: Callable[[str], None]
) -> None:
    with making() as make:
        contents = {name: await make(name) for name in NAMES}
    contents = {name: each for name, each in contents.items() if len(each) <= UPLOAD_BYTES_MAX}
    await ben.ready("The lease of the harbour flat ends in March.", title="Lease")
    await asha.ready(b"# Warm\n\nOne of her own.", filename="a.md")
    neighbours = _Neighbours(running, ben)
    server = psutil.Process(running.pid)
    before = server.memory_info().rss
    async with asyncio.TaskGroup() as others:
        going_on = [others.create_task(each) for each in neighbours.lives()]
        began = time.monotonic()
        ids = {
            name: (await asha.upload(content, filename=name))["id"]
            for name, content in contents.items()
        }
        ended = {name: await asha.until_ended(each) for name, each in ids.items()}
        seconds = time.monotonic() - began
        neighbours.over = True
    growth = server.memory_info().rss - before
    done = [task.result() for task in going_on]
    figure(
        f"{len(ended)} bombs ingested in {seconds:.1f} s; neighbours: {done[0]} searches, "
        f"{done[1]} documents, {done[2]} looks at health, "
        f"slowest answer {neighbours.slowest:.2f} s; outages {len(neighbours.outages)}; "
        f"RSS of the server grew by {growth / MEBIBYTE:.0f} MiB"
    )
    states = {
        name: (found["state"], found["state_reason"])
        for name, found in ended.items()
        if found["state"] != ("rejected" if name in BOMBS else "ready")
    }
    assert states == {}
    assert all(each["state_reason"].endswith(".") for name, each in ended.items() if name in BOMBS)
    assert neighbours.outages == []
    assert min(done) > 0
    assert growth < GROWTH_MAX
    assert server.is_running()


class _Neighbours:
    """What others do meanwhile. Any answer but the right one, or none in time, is an outage."""

    def __init__(self, program: Program, person: Person) -> None:
        self.over = False
        self.outages: list[str] = []
        self.slowest = 0.0
        self._program, self._person = program, person

    def lives(self) -> tuple[asyncio.Coroutine[None, None, int], ...]:
        return self._search(), self._hand_in(), self._look()

    async def _search(self) -> int:
        asked = {"query": "when does the lease end"}
        for count in itertools.count():
            if self.over:
                return count
            found = await self._timed("POST", "/v1/search", json=asked)
            if found is not None and not any("March" in hit["text"] for hit in found["items"]):
                self.outages.append("a search found nothing")
            await asyncio.sleep(0.05)
        raise AssertionError

    async def _hand_in(self) -> int:
        for count in itertools.count():
            if self.over:
                return count
            file = {"file": ("note.csv", f"Item,Price\nChair {count},12\n".encode())}
            made = await self._timed("POST", "/v1/documents", files=file)
            if made is not None:
                ended = await self._person.until_ended(made["id"])
                if ended["state"] != "ready":
                    self.outages.append(f"a document was {ended['state']}")
        raise AssertionError

    async def _look(self) -> int:
        for count in itertools.count():
            if self.over:
                return count
            await self._timed("GET", "/health/ready")
            await asyncio.sleep(0.1)
        raise AssertionError

    async def _timed(self, method: str, path: str, **options: object) -> dict[str, list] | None:
        began = time.monotonic()
        try:
            answer = await self._person.http.request(
                method, path, timeout=ANSWER_SECONDS_MAX, **options
            )
        except httpx2.HTTPError as error:
            self.outages.append(f"{path}: {type(error).__name__}")
            return None
        self.slowest = max(self.slowest, time.monotonic() - began)
        if not answer.is_success:
            self.outages.append(f"{path}: {answer.status_code}")
            return None
        return answer.json()
