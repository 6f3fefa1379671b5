"""Readers of a run's events whose connection is cut where a test wants: between frames or in one.

Raw connections, because a cut within a frame is what clients' libraries do not offer. What a
reader has are whole frames, as its protocol says what that is.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from tests.integration.running.program import Program

PIECE_BYTES = 16
"""Shorter than any frame: having read one piece more than a frame is to be within the next."""

ALL = 1_000_000
"""As `frames_max`: to the end of the run."""

EVENT = re.compile(rb"id: (\d+)\nevent: (\w+)\ndata: .*\n\n")
_ENDS = ("completed", "cancelled", "failed", "access_revoked")


@dataclass(frozen=True, slots=True)
class Had:
    """What a reader has, and whether its connection was cut before the end of the run."""

    frames: list[bytes]
    was_cut: bool


async def over_sse(
    program: Program, token: str, run_id: str, after: int, *, frames_max: int, within: bool
) -> Had:
    """Server-sent events. Nothing is cut if the run ends first."""
    async with _connected(program) as (reader, writer):
        writer.write(
            f"GET /v1/runs/{run_id}/events HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {token}\r\nLast-Event-ID: {after}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        body, frames = _Chunks(), list[bytes]()
        text, read = b"", 0
        while len(frames) < frames_max and not body.ended:
            piece = await reader.read(PIECE_BYTES if frames_max < ALL else 65_536)
            assert piece, "the connection was closed before the end of the response"
            text += body.add(piece)
            for match in EVENT.finditer(text, read):
                frames.append(match[0])
                read = match.end()
        if within and not body.ended:
            await reader.read(PIECE_BYTES)
    return Had(frames, was_cut=not body.ended)


async def over_socket(
    program: Program, token: str, run_id: str, after: int, *, frames_max: int, within: bool
) -> Had:
    """The socket of the run's conversation, whose id is the part of `run_id` before its slash."""
    conversation_id, run_id = run_id.split("/")
    path = f"/v1/conversations/{conversation_id}/socket"
    protocol = ClientProtocol(parse_uri(f"{program.url.replace('http', 'ws')}{path}"))
    async with _connected(program) as (reader, writer):
        protocol.send_request(protocol.connect())
        writer.write(b"".join(protocol.data_to_send()))
        frames = list[bytes]()
        ended = False
        while len(frames) < frames_max and not ended:
            piece = await reader.read(PIECE_BYTES if frames_max < ALL else 65_536)
            assert piece, "the connection was closed before the run's last event"
            before = protocol.state
            protocol.receive_data(piece)
            if protocol.state is not before:
                for text in (
                    {"type": "authenticate", "token": token},
                    {"type": "resume", "run_id": run_id, "after": after},
                ):
                    protocol.send_text(json.dumps(text).encode())
                writer.write(b"".join(protocol.data_to_send()))
            for event in protocol.events_received():
                if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    told = json.loads(event.data)
                    assert told["type"] != "refused", told
                    if "number" in told:
                        frames.append(bytes(event.data))
                        ended = told["type"] in _ENDS
        if within and not ended:
            await reader.read(PIECE_BYTES)
    return Had(frames, was_cut=not ended)


class _Chunks:
    """Decodes a body in chunks (RFC 9112, section 7.1), however it is cut into pieces."""

    def __init__(self) -> None:
        self.ended = False
        self._rest = b""

    def add(self, piece: bytes) -> bytes:
        self._rest += piece
        body = b""
        while not self.ended:
            size, newline, rest = self._rest.partition(b"\r\n")
            length = int(size, 16) if newline else 0
            if not newline or len(rest) < length + 2:
                break
            body += rest[:length]
            self._rest = rest[length + 2 :]
            self.ended = length == 0
        return body


@asynccontextmanager
async def _connected(
    program: Program,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Ends with a reset, as if the network had gone."""
    host, port = program.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
