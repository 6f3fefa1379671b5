"""The task that runs one stream's generator: one task, so that the generator keeps one context."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from litestar.types import Send

from domain.errors import Unavailable
from entrypoints.http.drain import Drain

Frames = AsyncGenerator[bytes, None]
"""Whole frames: a stream may end after any of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """A stream is never silent for longer than `heartbeat_seconds`.

    A reader whose connection takes nothing for `write_seconds_max` is cut off (at the latest
    after twice that). `first_frame_seconds_max` is how long the status waits for the first frame.
    """

    heartbeat_seconds: float = 15.0
    write_seconds_max: float = 20.0
    first_frame_seconds_max: float = 2.0


class Pump:
    """Runs one generator of frames from its first to its last, and sends what it yields."""

    # One exists per open stream, of which there may be thousands.
    __slots__ = (
        "_frames",
        "_loop",
        "_opened",
        "_ready",
        "_sent_at",
        "_writing_since",
        "limits",
        "task",
    )

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


_CLOSE_SECONDS_MAX = 5.0
_UNSENT_SECONDS_MAX = 30.0
_FRAMES_PER_TURN = 32
