"""A download that is under way when its grant is revoked is cut, however fast it is read."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.integration.running.people import PURPOSE, Json, Person, signed_up
from tests.integration.running.program import Program, ending

# More than sockets hold on the way, or a slow reader's download would be over for the server.
CONTENT_BYTES = 12 * 1024 * 1024
READERS = 24
# So little that a reader has read what it was sent before, and notices the end, within the second.
PIECE_BYTES = 4 * 1024
END_SECONDS_MAX = 1.0

Pause = Callable[[], Awaitable[object]]

pytestmark = pytest.mark.integration


@dataclass
class Download:
    """What one reader received, read in small pieces with pauses, and when it ended."""

    received: int = 0
    length: int = 0
    was_cut: bool = False
    ended_at: float = 0.0
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, program: Program, person: Person, path: str, pause: Pause) -> None:
        host, port = program.url.removeprefix("http://").split(":")
        connection = socket.create_connection((host, int(port)))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        reader, writer = await asyncio.open_connection(sock=connection, limit=PIECE_BYTES)
        token = person.tokens["access_token"]
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            self.length = _length(head)
            self.begun.set()
            while self.received < self.length and (piece := await reader.read(PIECE_BYTES)):
                self.received += len(piece)
                await pause()
        except ConnectionError:
            pass
        finally:
            self.ended_at = time.monotonic()
            self.was_cut = self.received < self.length
            writer.transport.abort()


def _length(head: bytes) -> int:
    lines = head.decode().lower().split("\r\n")
    return next(int(line[16:]) for line in lines if line.startswith("content-length: "))


@pytest.fixture(scope="module")
async def program(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Program]:
    program = Program(places(), models=built_models, worker=False)
    async with ending(program):
        await program.start()
        yield program


@asynccontextmanager
async def shared(program: Program) -> AsyncIterator[tuple[Person, Person, Json, Json]]:
    async with signed_up(program, "Asha") as asha, signed_up(program, "Ben") as ben:
        document = await asha.upload(b"all mine " * (CONTENT_BYTES // 9))
        yield asha, ben, document, await asha.grant(document["id"], ben)


async def downloading(
    program: Program, person: Person, path: str, pauses: list[Pause]
) -> tuple[list[Download], list[asyncio.Task[None]]]:
    downloads = [Download() for _ in pauses]
    tasks = [
        asyncio.create_task(each.read(program, person, path, pause))
        for each, pause in zip(downloads, pauses, strict=True)
    ]
    async with asyncio.timeout(20):
        await asyncio.gather(*(each.begun.wait() for each in downloads))
    return downloads, tasks


async def test_downloads_end_within_a_second_of_the_revocation(
    program: Program, figure: Callable[[str], None]
) -> None:
    async with shared(program) as (asha, ben, document, grant):
        path = f"/v1/documents/{document['id']}/content?purpose={PURPOSE}"
        pauses = [partial(asyncio.sleep, number / 1000) for number in range(1, READERS + 1)]
        downloads, tasks = await downloading(program, ben, path, pauses)
        answer = await asha.http.post(f"/v1/grants/{grant['id']}/revoke")
        acknowledged_at = time.monotonic()
        assert answer.status_code == 200, answer.text
        async with asyncio.timeout(60):
            await asyncio.gather(*tasks)
        assert [each for each in downloads if not each.was_cut] == []
        took = sorted(each.ended_at - acknowledged_at for each in downloads)
        figure(
            f"{READERS} downloads ended {took[READERS // 2] * 1000:.0f} ms (median) and"
            f" {took[-1] * 1000:.0f} ms (the last) after the acknowledgement"
        )
        assert took[-1] < END_SECONDS_MAX


async def test_a_reader_who_waits_gets_only_what_was_on_the_way(program: Program) -> None:
    """What the server's kernel still holds is dropped, or a patient reader had megabytes left."""
    async with shared(program) as (asha, ben, document, grant):
        path = f"/v1/documents/{document['id']}/content?purpose={PURPOSE}"
        read_on = asyncio.Event()
        (download,), (task,) = await downloading(program, ben, path, [read_on.wait])
        await asyncio.sleep(0.5)  # by now the connection is full
        answer = await asha.http.post(f"/v1/grants/{grant['id']}/revoke")
        assert answer.status_code == 200, answer.text
        await asyncio.sleep(END_SECONDS_MAX)
        read_on.set()
        async with asyncio.timeout(60):
            await task
        assert download.was_cut
        assert download.received < 512 * 1024


async def test_an_owner_reads_on(program: Program) -> None:
    async with shared(program) as (asha, _, document, grant):
        received = 0
        async with asha.http.stream("GET", f"/v1/documents/{document['id']}/content") as answer:
            async for piece in answer.aiter_raw():
                if not received:
                    revoked = await asha.http.post(f"/v1/grants/{grant['id']}/revoke")
                    assert revoked.status_code == 200, revoked.text
                    await asyncio.sleep(END_SECONDS_MAX)
                received += len(piece)
        assert received == document["content_length"]
