"""A proxy that passes every request on, and drops the reply once the server has sent all of it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.integration.running.program import Program


@dataclass
class DroppingProxy:
    """One request to a connection. `dropped` are the statuses of the replies that nobody got:
    what the server answers with success it has committed before."""

    program: Program
    url: str = ""
    dropped: list[int] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _request(reader)
            host, port = self.program.url.removeprefix("http://").split(":")
            answering, asking = await asyncio.open_connection(host, int(port))
            asking.write(request)
            reply = await answering.read()  # to the end: it was asked to close after it
            asking.close()
            self.dropped.append(int(reply.split(b" ", 2)[1]))
        finally:
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    lengths = [int(line[16:]) for line in lines if line.startswith("content-length: ")]
    body = await reader.readexactly(lengths[0]) if lengths else b""
    kept = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"connection")]
    return b"\r\n".join([*kept, b"Connection: close", b"", body])


@asynccontextmanager
async def dropping_replies(program: Program) -> AsyncIterator[DroppingProxy]:
    proxy = DroppingProxy(program)
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as listening:
        proxy.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield proxy
