"""A server of Chat Completions on a real socket that does what a test wants, well or badly."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

LINE_BYTES_MAX = 256 * 1024
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
OK = HEAD + b"Connection: close\r\n\r\n"
DONE = b"data: [DONE]\n\n"

Say = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Upstream:
    """Answers every request with `say`, and remembers what it was asked."""

    say: Say
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            self.requests.append(head + await reader.readexactly(length))
        except asyncio.IncompleteReadError:
            writer.close()
            return
        answering = asyncio.create_task(self._answer(writer))
        try:
            await reader.read()
        except ConnectionError:
            pass
        finally:
            self.gone.set()
            answering.cancel()
            await asyncio.wait([answering])
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        try:
            await self.say(writer)
            await writer.drain()
        except ConnectionError:
            pass
        writer.close()


@asynccontextmanager
async def upstream(say: Say) -> AsyncIterator[Upstream]:
    server = Upstream(say)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        yield server


def chunk(text: str | None = None, **rest: object) -> bytes:
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, **rest}
    return b"data: " + json.dumps({"id": "x", "choices": [choice]}).encode() + b"\n\n"


def usage(read: object, wrote: object, **more: object) -> bytes:
    told = {"choices": [], "usage": {"prompt_tokens": read, "completion_tokens": wrote, **more}}
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def saying(*parts: bytes | float) -> Say:
    """These parts, one after the other; a number is a pause in seconds."""

    async def say(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            if isinstance(part, bytes):
                writer.write(part)
                await writer.drain()
            else:
                await asyncio.sleep(part)

    return say


def for_ever(begin: bytes, part: bytes, seconds: float = 0.0) -> Say:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(seconds)

    return say


def cutting(*parts: bytes) -> Say:
    """Resets the connection after these parts."""

    async def say(writer: asyncio.StreamWriter) -> None:
        await saying(*parts, 0.05)(writer)
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return say


def status(code: int, *headers: bytes, body: bytes = b'{"error":"canary question"}') -> Say:
    head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nContent-Type: application/json\r\n" % (
        code,
        len(body),
    )
    return saying(head + b"".join(headers) + b"\r\n" + body)


def answering(*words: str, read: int = 11, wrote: int = 7) -> Say:
    """As a server does that is well."""
    return saying(
        OK,
        *(chunk(word) for word in words),
        chunk(finish_reason="stop"),
        usage(read, wrote),
        DONE,
    )
