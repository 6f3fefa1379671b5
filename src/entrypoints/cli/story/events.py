"""Server-sent events as a client reads them (HTML Living Standard, section 9.2)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event, and the very bytes that it came as."""

    number: int
    type: str
    told: dict[str, Any]
    frame: bytes


async def events_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """What was not whole when the connection ended is no event; heartbeats are passed over."""
    unread = b""
    async for piece in pieces:
        unread += piece
        *frames, unread = unread.split(b"\n\n")
        for frame in frames:
            fields = dict(_field(line) for line in frame.decode().split("\n"))
            if "data" in fields:
                yield Event(
                    number=int(fields["id"]),
                    type=fields["event"],
                    told=json.loads(fields["data"]),
                    frame=frame + b"\n\n",
                )


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")
