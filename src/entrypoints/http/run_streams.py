"""Runs on an open connection: every wire format is an encoder of the same numbered events."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import suppress

import msgspec
from litestar.response import Stream

from application.chat.cancel_run import CancelRun
from application.chat.follow_run import Events
from domain.chat.event import Event
from domain.errors import Refusal
from domain.identity import Caller, RunId
from entrypoints.http.drain import Drain
from entrypoints.http.pump import StreamLimits
from entrypoints.http.sse import sse_frame
from entrypoints.http.streams import open_stream

EVENT_STREAM = "text/event-stream"
RETRY_MILLISECONDS = 1_000

Encode = Callable[[Event], bytes]
"""The whole frames that tell of an event; nothing where the format has no word for it."""

Left = Callable[[], Awaitable[None]]
"""What follows when a reader goes away before the last event."""


def native_frame(event: Event) -> bytes:
    """An event as it is, under its number: the same bytes whenever it is read."""
    told = msgspec.Raw(event.told.encode())
    return sse_frame(told, event=event.type, number=event.number)


async def native_stream(
    events: Events,
    *,
    drain: Drain,
    limits: StreamLimits,
    headers: Mapping[str, str] | None = None,
) -> Stream:
    """The run in our own format, which browsers resume by themselves."""
    return await stream_of(
        events,
        native_frame,
        drain=drain,
        limits=limits,
        headers=headers,
        retry_milliseconds=RETRY_MILLISECONDS,
    )


async def stream_of(
    events: Events,
    encode: Encode,
    *,
    drain: Drain,
    limits: StreamLimits,
    headers: Mapping[str, str] | None = None,
    retry_milliseconds: int | None = None,
    resumable: bool = True,
    left: Left | None = None,
) -> Stream:
    stream = await open_stream(
        _frames(events, encode, left),
        drain=drain,
        limits=limits,
        retry_milliseconds=retry_milliseconds,
        headers=headers,
        resumable=resumable,
    )
    stream.status_code = 200  # event sources accept no other
    return stream


def cancelling(cancel_run: CancelRun, *, caller: Caller, run_id: RunId, drain: Drain) -> Left:
    """Stops the run of whoever leaves; a server that stops leaves it to its own end."""

    async def left() -> None:
        if not drain.begun:
            with suppress(Refusal):  # what cannot be stopped now ends by its own limits
                await cancel_run(caller=caller, run_id=run_id)

    return left


async def _frames(events: Events, encode: Encode, left: Left | None) -> AsyncGenerator[bytes, None]:
    ended = False
    try:
        yield b""  # what could be refused has been, so the response may begin
        async for event in events:
            ended = event.type.is_terminal
            yield encode(event)
    finally:
        await events.aclose()
        if left is not None and not ended:
            await left()
