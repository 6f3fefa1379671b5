"""A server of embeddings on a real socket, which does well or badly what a test wants.

Its vectors are those of the hashing embedder: different texts, different vectors.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.embedding.hashing import HashingEmbedder

DIMENSIONS = 64

Answer = Callable[["Request"], "bytes | float | None"]
"""What to do with a request: whole bytes of a response, so many seconds of silence before it is
answered as it should be, or None to reset the connection."""


@dataclass(frozen=True, kw_only=True)
class Request:
    number: int
    head: bytes
    asked: dict[str, Any]

    @property
    def texts(self) -> list[str]:
        texts = self.asked["input"]
        return texts if isinstance(texts, list) else [texts]


@dataclass
class EmbeddingServer:
    """Answers as `answer` says, and well where it says 0."""

    answer: Answer = lambda request: 0.0
    embedder: HashingEmbedder = field(
        default_factory=lambda: HashingEmbedder(dimensions=DIMENSIONS)
    )
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    at_once: int = 0
    at_once_most: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        asked = json.loads(await reader.readexactly(length))
        request = Request(number=len(self.requests), head=head, asked=asked)
        self.requests.append(request)
        self.at_once += 1
        self.at_once_most = max(self.at_once_most, self.at_once)
        try:
            told = self.answer(request)
            if told is None:
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return False
            if isinstance(told, float):
                await asyncio.sleep(told)
                told = well(await self.embedder.embed_passages(request.texts))
            writer.write(told)
            await writer.drain()
        finally:
            self.at_once -= 1
        return True


@asynccontextmanager
async def embedding_server(
    answer: Answer = lambda request: 0.0, *, dimensions: int = DIMENSIONS, port: int = 0
) -> AsyncIterator[EmbeddingServer]:
    server = EmbeddingServer(answer, HashingEmbedder(dimensions=dimensions))
    listening = await asyncio.start_server(server.serve, "127.0.0.1", port, limit=64 * 1024**2)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()


def well(vectors: Any, **more: Any) -> bytes:
    """As a server does that is well, but for the order, which nobody promised."""
    rows = [
        {"object": "embedding", "index": index, "embedding": [3.0 * number for number in vector]}
        for index, vector in enumerate(vectors)
    ]
    return response(json.dumps({"object": "list", "data": rows[::-1], "model": "m", **more}))


def response(body: str | bytes, status: int = 200, *headers: str) -> bytes:
    payload = body.encode() if isinstance(body, str) else body
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(payload)}",
        "Content-Type: application/json",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + payload
