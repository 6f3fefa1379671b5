"""Files made to do harm, through the real child processes: each has its reason, and ends.

Invariant 15. The reason that is expected of each bomb names the mechanism that stops it, so that
a mechanism that is gone is noticed even where another one would have stopped the bomb later.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable

import psutil
import pytest

from adapters.extraction.content_type import DOCX, HEAD_BYTES, TAIL_BYTES, media_type_of
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.process import ProcessExtractor
from adapters.extraction.samples import samples
from domain.retrieval.rejection import DocumentRejected
from tests.integration.extraction.bombs import BOMBS, HARMLESS, MEBIBYTE, making

GROWTH_MAX = 50 * MEBIBYTE
_AT_ONCE = ExtractionLimits().concurrent_max
_SECONDS_MAX = ExtractionLimits().wall_seconds_max


@pytest.fixture
async def extractor() -> AsyncIterator[ProcessExtractor]:
    extractor = ProcessExtractor()
    await extractor.start()
    yield extractor
    await extractor.close()


@pytest.mark.slow
async def test_every_bomb_ends_with_its_reason_and_neighbours_are_read(
    extractor: ProcessExtractor, figure: Callable[[str], None]
) -> None:
    turns = asyncio.Semaphore(_AT_ONCE)
    seconds: dict[str, float] = {}
    neighbours: list[float] = []

    async def outcome(name: str) -> str:
        async with turns:
            content = await make(name)
            media_type = media_type_of(content[:HEAD_BYTES], content[-TAIL_BYTES:])
            assert media_type is not None, name
            began = time.monotonic()
            try:
                return f"ready: {(await extractor.extract(content, media_type)).text}"
            except DocumentRejected as rejected:
                return f"rejected: {rejected.message}"
            finally:
                seconds[name] = time.monotonic() - began

    async def neighbour() -> None:
        began = time.monotonic()
        assert (await extractor.extract(samples()[DOCX], DOCX)).text.startswith("One")
        neighbours.append(time.monotonic() - began)
        await asyncio.sleep(0.05)

    with making() as make:
        await neighbour()
        await make("csv: too many rows")
        processes = _processes()
        before = [each.memory_info().rss for each in processes]
        running = {name: asyncio.create_task(outcome(name)) for name in [*BOMBS, *HARMLESS]}
        while not all(task.done() for task in running.values()):
            await neighbour()

    wrong = {}
    for name, (_, expected) in BOMBS.items():
        if not re.fullmatch(f"rejected: [A-Z].*({expected}).*\\.", await running[name]):
            wrong[name] = (await running[name])[:200]
    for name, (_, expected) in HARMLESS.items():
        found = await running[name]
        if not found.startswith("ready: ") or expected not in found:
            wrong[name] = found[:200]
    assert wrong == {}
    assert max(seconds.values()) < _SECONDS_MAX
    assert [each.pid for each in _processes()] == [each.pid for each in processes]
    growth = [each.memory_info().rss - at for each, at in zip(processes, before, strict=True)]
    figure(
        f"{len(BOMBS)} bombs rejected, {len(HARMLESS)} read without what would harm; "
        f"slowest {max(seconds.values()):.1f} s ({max(seconds, key=lambda name: seconds[name])}); "
        f"{len(neighbours)} neighbours read, slowest after {max(neighbours):.1f} s; RSS grew by "
        f"{growth[0] >> 20} MiB here and {growth[1] >> 20} MiB in the waiting process"
    )
    assert max(growth) < GROWTH_MAX


def _processes() -> list[psutil.Process]:
    """This one, and the waiting process that belongs to it."""
    us = psutil.Process()
    waiting = [each for each in us.children() if "adapters.extraction.child" in each.cmdline()]
    return [us, *waiting[-1:]]
