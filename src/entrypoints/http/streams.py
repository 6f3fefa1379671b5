"""Responses that stay open: heartbeats, drain, slow readers, and readers that go away.

A stream is an async generator of finished frames, run by a Pump. The request's own task only
watches: the client, the clock, the server's drain. So a frame costs one `send` and no more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from litestar import Request
from litestar.datastructures import Cookie
from litestar.enums import MediaType
from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send, TypeEncodersMap

from domain.errors import Refusal
from entrypoints.http.connection import close_of, lost_of
from entrypoints.http.drain import Drain
from entrypoints.http.problems import log_unexpected
from entrypoints.http.pump import Frames, Pump, StreamLimits
from entrypoints.http.sse import HEARTBEAT, sse_retry

__all__ = ["Frames", "StreamLimits", "disconnected", "open_stream"]

_log = structlog.get_logger(__name__)


async def open_stream(
    frames: Frames,
    *,
    drain: Drain,
    limits: StreamLimits | None = None,
    media_type: str = "text/event-stream",
    heartbeat: bytes = HEARTBEAT,
    retry_milliseconds: int | None = None,
    headers: Mapping[str, str] | None = None,
    resumable: bool = True,
) -> Stream:
    """The response that sends these frames; each must be whole, for it may be the last.

    What the generator raises before its first frame is raised here, and so is answered with a
    proper status; let it yield `b""` as soon as it has checked what it must. Raises Unavailable
    while the server drains. On drain the generator is closed and the response ends cleanly; a
    reader resumes elsewhere from the id it has. What the generator raises later cuts the
    connection, so that no reader takes a part for the whole; and so does the drain where the
    format has no ids to resume from.
    """
    limits = limits or StreamLimits()
    pump = Pump(frames, limits)
    await pump.start(drain)
    return _FrameStream(
        pump=pump,
        drain=drain,
        heartbeat=heartbeat,
        prelude=sse_retry(retry_milliseconds) if retry_milliseconds is not None else b"",
        resumable=resumable,
        media_type=media_type,
        headers={
            "Cache-Control": "no-cache, no-transform",
            "X-Accel-Buffering": "no",
            **(headers or {}),
        },
    )


class _FrameStream(Stream):
    """Litestar's Stream, sent by `_FrameResponse`."""

    __slots__ = ("_drain", "_heartbeat", "_prelude", "_pump", "_resumable")

    def __init__(
        self,
        *,
        pump: Pump,
        drain: Drain,
        heartbeat: bytes,
        prelude: bytes,
        resumable: bool,
        media_type: str,
        headers: dict[str, str],
    ) -> None:
        super().__init__(iter(()), media_type=media_type, headers=headers)
        self._pump = pump
        self._drain = drain
        self._heartbeat = heartbeat
        self._prelude = prelude
        self._resumable = resumable

    def to_asgi_response(
        self,
        app: Any,
        request: Request[Any, Any, Any],
        *,
        background: Any = None,
        cookies: Iterable[Cookie] | None = None,
        encoded_headers: Iterable[tuple[bytes, bytes]] | None = None,
        headers: dict[str, str] | None = None,
        is_head_response: bool = False,
        media_type: MediaType | str | None = None,
        status_code: int | None = None,
        type_encoders: TypeEncodersMap | None = None,
    ) -> ASGIResponse:
        return _FrameResponse(
            self._pump,
            self._drain,
            self._heartbeat,
            self._prelude,
            self._resumable,
            headers={**(headers or {}), **self.headers},
            media_type=self.media_type,
            status_code=self.status_code or status_code,
        )


class _FrameResponse(ASGIResponse):
    """Watches over one open stream."""

    __slots__ = ("_drain", "_heartbeat", "_prelude", "_pump", "_resumable")

    _should_set_content_length = False

    def __init__(
        self,
        pump: Pump,
        drain: Drain,
        heartbeat: bytes,
        prelude: bytes,
        resumable: bool,
        **head: Any,
    ) -> None:
        super().__init__(**head)
        self._pump = pump
        self._drain = drain
        self._heartbeat = heartbeat
        self._prelude = prelude
        self._resumable = resumable

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = lost_of(scope) or asyncio.create_task(disconnected(receive))
        pump = self._pump
        try:
            await self.start_response(send)
            first = {"type": "http.response.body", "body": self._prelude, "more_body": True}
            await send(first)  # type: ignore[arg-type]
            pump.open(send)
            with self._drain.watch() as draining:
                await self._watch(gone, draining)
            if not gone.done():
                await self._end(scope, send, gone)
        finally:
            await pump.close()
            gone.cancel()

    async def _watch(self, gone: asyncio.Future[None], draining: asyncio.Future[None]) -> None:
        """Return once the stream is over, for whatever reason; keep it warm until then."""
        pump, limits = self._pump, self._pump.limits
        ends: set[asyncio.Future[None]] = {pump.task, gone, draining}
        beat: asyncio.Task[None] | None = None
        try:
            while not pump.is_stuck():
                wait = max(0.0, limits.heartbeat_seconds - pump.seconds_idle())
                pause = min(wait or limits.heartbeat_seconds, limits.write_seconds_max)
                done, _ = await asyncio.wait(
                    ends, timeout=pause, return_when=asyncio.FIRST_COMPLETED
                )
                if done:
                    return
                if not pump.is_writing and pump.seconds_idle() >= limits.heartbeat_seconds:
                    beat = asyncio.create_task(pump.write(self._heartbeat))
        finally:
            if beat is not None:
                beat.cancel()

    async def _end(self, scope: Scope, send: Send, gone: asyncio.Future[None]) -> None:
        """End the response where it is whole or resumable; cut the connection where it is not."""
        pump = self._pump
        blocked = pump.is_writing
        cut = not (blocked or self._resumable or pump.task.done())
        if not pump.task.done():
            await pump.close()
        failure = None if pump.task.cancelled() else pump.task.exception()
        if failure is None and not blocked and not cut:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pump.limits.write_seconds_max):
                    last = {"type": "http.response.body", "body": b"", "more_body": False}
                    await send(last)  # type: ignore[arg-type]
                    return
        if isinstance(failure, Refusal):
            _log.warning("stream_refused_late", code=failure.code)
        elif failure is not None:
            log_unexpected(failure)
        elif not cut:
            _log.info("stream_reader_too_slow")
        close_of(scope)(abort=failure is None and not cut)
        await asyncio.wait({gone}, timeout=1.0)


async def disconnected(receive: Receive) -> None:
    """Return once the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
