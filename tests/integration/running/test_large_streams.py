"""A gibibyte goes in and out, and the server never holds more than a little of it."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psutil
import pytest

from tests.integration.running.people import Person, json_of, signed_up
from tests.integration.running.program import Program

MIB = 1024 * 1024
GROWTH_BYTES_MAX = 48 * MIB
SAMPLE_SECONDS = 0.05
BOUNDARY = "a-boundary-that-is-not-in-the-text"


@pytest.mark.parametrize(
    "mebibytes",
    [pytest.param(64, id="64 MiB"), pytest.param(1024, id="1 GiB", marks=pytest.mark.slow)],
)
async def test_a_stream_of_any_length_takes_the_same_memory(
    own: Program, mebibytes: int, figure: Callable[[str], None]
) -> None:
    # What is larger than this is not read to be indexed: that is not what is measured here.
    await own.running(upload_bytes_max=2 * 1024**3, extraction_bytes_max=MIB)
    async with signed_up(own, "Asha") as asha:
        await _in_and_out(asha, 16)  # what is allocated once is no growth
        async with _peak_of(own.pid) as memory:
            before = memory.now()
            sent, received, seconds = await _in_and_out(asha, mebibytes)
            growth = memory.peak - before
    assert sent == received
    told = ", ".join(f"{way} {mebibytes / took:.0f} MiB/s" for way, took in seconds.items())
    figure(
        f"{mebibytes} MiB: {told}; the server's memory grew by {growth / MIB:.0f} MiB at its peak, "
        f"from {before / MIB:.0f}"
    )
    assert growth < GROWTH_BYTES_MAX


class _Memory:
    """Of the server and what it started, but for the database: resident bytes."""

    def __init__(self, pid: int) -> None:
        server = psutil.Process(pid)
        self._processes = [server] + [
            each for each in server.children(recursive=True) if "postgres" not in each.name()
        ]
        self.peak = 0

    def now(self) -> int:
        found = sum(each.memory_info().rss for each in self._processes if each.is_running())
        self.peak = max(self.peak, found)
        return found


@asynccontextmanager
async def _peak_of(pid: int) -> AsyncIterator[_Memory]:
    memory = _Memory(pid)

    async def sample() -> None:
        while True:
            memory.now()
            await asyncio.sleep(SAMPLE_SECONDS)

    sampling = asyncio.create_task(sample())
    try:
        yield memory
    finally:
        sampling.cancel()


async def _in_and_out(person: Person, mebibytes: int) -> tuple[str, str, dict[str, float]]:
    """SHA-256 of what was sent and of what came back, and the seconds that each way took."""
    sent, received = hashlib.sha256(), hashlib.sha256()
    began = time.monotonic()
    answer = await person.http.post(
        "/v1/documents",
        content=_form(mebibytes, sent),
        headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"},
        timeout=120,
    )
    assert answer.status_code == 202, answer.text
    seconds = {"in": time.monotonic() - began}
    document = json_of(answer)
    assert document["content_length"] == mebibytes * MIB
    assert (await person.until_ended(document["id"]))["state"] == "rejected"
    path, began = f"/v1/documents/{document['id']}/content", time.monotonic()
    async with person.http.stream("GET", path, timeout=120) as download:
        assert download.status_code == 200
        async for piece in download.aiter_bytes():
            received.update(piece)
    seconds["out"] = time.monotonic() - began
    assert (await person.http.delete(f"/v1/documents/{document['id']}")).status_code == 200
    return sent.hexdigest(), received.hexdigest(), seconds


async def _form(mebibytes: int, sent: hashlib._Hash) -> AsyncIterator[bytes]:
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="index_mode"\r\n\r\nnone\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="long.txt"\r\n\r\n'
    )
    yield head.encode()
    line = "A heron stood in the reeds, and nobody else saw it all morning.\n"  # 64 bytes
    rest = (line * (MIB // len(line)))[8:].encode()
    for number in range(mebibytes):
        piece = f"{number:07} ".encode() + rest
        sent.update(piece)
        yield piece
    yield f"\r\n--{BOUNDARY}--\r\n".encode()
