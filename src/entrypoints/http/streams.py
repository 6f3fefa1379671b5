"""Responses that stay open: heartbeats, drain, slow readers, and readers that go away.

A stream is an async generator of finished frames. It runs in a task of its own from its first
frame to its last; the request's task only watches: the client, the clock, the server's drain.
So a frame costs one `send`, and nothing else is done per frame.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from litestar import Request
from litestar.datastructures import Cookie
from litestar.enums import MediaType
from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send, TypeEncodersMap

from domain.errors import Refusal, Unavailable
from entrypoints.http.connection import close_of
from entrypoints.http.drain import Drain
from entrypoints.http.problems import log_unexpected
from entrypoints.http.sse import HEARTBEAT, sse_retry

_log = structlog.get_logger(__name__)

Frames = AsyncGenerator[bytes, None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """A stream is never silent for longer than `heartbeat_seconds`.

    A reader whose connection takes nothing for `write_seconds_max` is cut off (at the latest
    after twice that). `first_frame_seconds_max` is how long the status waits for the first frame.
    """

    heartbeat_seconds: float = 15.0
    write_seconds_max: float = 20.0
    first_frame_seconds_max: float = 2.0


async def open_stream(
    frames: Frames,
    *,
    drain: Drain,
    limits: StreamLimits | None = None,
    media_type: str = "text/event-stream",
    heartbeat: bytes = HEARTBEAT,
    retry_milliseconds: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Stream:
    """The response that sends these frames; each must be whole, for it may be the last.

    What the generator raises before its first frame is raised here, and so is answered with a
    proper status; let it yield `b""` as soon as it has checked what it must. Raises Unavailable
    while the server drains. On drain the generator is closed and the response ends cleanly; a
    reader resumes elsewhere from the id it has. What the generator raises later cuts the
    connection, so that no reader takes a part for the whole.
    """
    limits = limits or StreamLimits()
    pump = _Pump(frames, limits)
    await pump.start(drain)
    return _FrameStream(
        pump=pump,
        drain=drain,
        heartbeat=heartbeat,
        prelude=sse_retry(retry_milliseconds) if retry_milliseconds is not None else b"",
        media_type=media_type,
        headers={
            "Cache-Control": "no-cache, no-transform",
            "X-Accel-Buffering": "no",
            **(headers or {}),
        },
    )


_CLOSE_SECONDS_MAX = 5.0
_UNSENT_SECONDS_MAX = 30.0
_FRAMES_PER_TURN = 32


class _Pump:
    """Runs the generator in one task, so that it keeps one context, and sends what it yields."""

    def __init__(self, frames: Frames, limits: StreamLimits) -> None:
        self.limits = limits
        self._frames = frames
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._opened: asyncio.Future[Send] = self._loop.create_future()
        self._sent_at = self._loop.time()
        self._writing_since: float | None = None
        self.task = self._loop.create_task(self._run())

    async def start(self, drain: Drain) -> None:
        """Wait for the first frame, a refusal, or the grace to pass, whichever comes first."""
        try:
            with drain.watch() as draining:
                await asyncio.wait(
                    {self._ready, draining},
                    timeout=self.limits.first_frame_seconds_max,
                    return_when=asyncio.FIRST_COMPLETED,
                )
        except asyncio.CancelledError:
            await self.close()
            raise
        if self.task.done():
            self.task.result()
        elif drain.begun:
            await self.close()
            raise Unavailable(retry_after_seconds=1)

    def open(self, send: Send) -> None:
        self._sent_at = self._loop.time()
        self._opened.set_result(send)

    def is_stuck(self) -> bool:
        """Whether the connection has not taken a frame for too long."""
        since = self._writing_since
        return since is not None and self._loop.time() - since >= self.limits.write_seconds_max

    def seconds_idle(self) -> float:
        return self._loop.time() - self._sent_at

    @property
    def is_writing(self) -> bool:
        return self._writing_since is not None

    async def write(self, frame: bytes) -> None:
        send = self._opened.result()
        self._writing_since = self._loop.time()
        await send({"type": "http.response.body", "body": frame, "more_body": True})
        self._writing_since = None
        self._sent_at = self._loop.time()

    async def close(self) -> None:
        """Stop the generator and let its `finally` run, for a bounded time."""
        self.task.cancel()
        await asyncio.wait({self.task}, timeout=_CLOSE_SECONDS_MAX)
        if self.task.done() and not self.task.cancelled():
            self.task.exception()  # taken, so that the loop does not log it with its message

    async def _run(self) -> None:
        count = 0
        try:
            async for frame in self._frames:
                if not self._ready.done():
                    self._ready.set_result(None)
                if not self._opened.done():
                    async with asyncio.timeout(_UNSENT_SECONDS_MAX):
                        await asyncio.shield(self._opened)
                if frame:
                    await self.write(frame)
                count += 1
                if count % _FRAMES_PER_TURN == 0:
                    # A generator that never waits must not keep the loop from everybody else.
                    await asyncio.sleep(0)
        finally:
            try:
                await self._frames.aclose()
            finally:
                if not self._ready.done():
                    self._ready.set_result(None)


class _FrameStream(Stream):
    """Litestar's Stream, sent by `_FrameResponse`."""

    def __init__(
        self,
        *,
        pump: _Pump,
        drain: Drain,
        heartbeat: bytes,
        prelude: bytes,
        media_type: str,
        headers: dict[str, str],
    ) -> None:
        super().__init__(iter(()), media_type=media_type, headers=headers)
        self._pump = pump
        self._drain = drain
        self._heartbeat = heartbeat
        self._prelude = prelude

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
            headers={**(headers or {}), **self.headers},
            media_type=self.media_type,
            status_code=self.status_code or status_code,
        )


class _FrameResponse(ASGIResponse):
    """Watches over one open stream."""

    _should_set_content_length = False

    def __init__(
        self, pump: _Pump, drain: Drain, heartbeat: bytes, prelude: bytes, **head: Any
    ) -> None:
        super().__init__(**head)
        self._pump = pump
        self._drain = drain
        self._heartbeat = heartbeat
        self._prelude = prelude

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_disconnected(receive))
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
        if not pump.task.done():
            await pump.close()
        failure = None if pump.task.cancelled() else pump.task.exception()
        if failure is None and not blocked:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pump.limits.write_seconds_max):
                    last = {"type": "http.response.body", "body": b"", "more_body": False}
                    await send(last)  # type: ignore[arg-type]
                    return
        if isinstance(failure, Refusal):
            _log.warning("stream_refused_late", code=failure.code)
        elif failure is not None:
            log_unexpected(failure)
        else:
            _log.info("stream_reader_too_slow")
        close_of(scope)(abort=failure is None)
        await asyncio.wait({gone}, timeout=1.0)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
