"""A client that costs little: one request, repeated on kept connections, answers read in full."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked, and what an answer must hold to count as the work that was to be done."""

    port: int
    path: str
    expected: bytes
    headers: Sequence[tuple[str, str]] = ()

    def encoded(self) -> bytes:
        head = [f"GET {self.path} HTTP/1.1", "Host: 127.0.0.1"]
        head += [f"{name}: {value}" for name, value in self.headers]
        return "\r\n".join([*head, "", ""]).encode()


async def milliseconds(request: Request, *, connections: int, requests: int) -> list[float]:
    """The time of each of `requests` requests, shared out evenly over the connections.

    Raises AssertionError at the first answer that is not 200 with what was expected.
    """
    each = requests // connections
    per_connection = await asyncio.gather(*(_repeat(request, each) for _ in range(connections)))
    return [value for values in per_connection for value in values]


async def _repeat(request: Request, times: int) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", request.port)
    encoded, found = request.encoded(), []
    try:
        for _ in range(times):
            began = time.perf_counter()
            writer.write(encoded)
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
            found.append((time.perf_counter() - began) * 1_000)
            assert head.startswith(b"HTTP/1.1 200"), head
            assert request.expected in body, body
    finally:
        writer.close()
    return found


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise AssertionError(f"An answer without a length: {head!r}")
