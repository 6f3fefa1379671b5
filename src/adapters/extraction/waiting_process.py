"""The service's end of the waiting process: starts it, talks to it, ends it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import sys

import msgspec

from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.wire import (
    COMMAND,
    ENDED,
    EXTRACT,
    KILL,
    LENGTH,
    NOT_STARTED,
    READY,
    Task,
    answer_bytes_max,
)

_START_SECONDS_MAX = 30.0
_END_SECONDS_MAX = 5.0


class ReaderEnded(Exception):
    """A reader ended without an answer; `signal_number` is what killed it, or 0."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number


class WaitingProcessEnded(Exception):
    """The waiting process is gone or does not answer: start another."""


class WaitingProcess:
    """Lives on one event loop. Make it with `start`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        control: socket.socket,
        limits: ExtractionLimits,
    ) -> None:
        self._process = process
        self._control = control
        self._limits = limits
        self._numbers = itertools.count(1)
        self._ended: dict[int, asyncio.Future[int]] = {}
        self._received = b""
        self.alive = True
        asyncio.get_running_loop().add_reader(control, self._on_control)

    @classmethod
    async def start(cls, limits: ExtractionLimits) -> WaitingProcess:
        """Ready to read; takes about a second. Raises WaitingProcessEnded when it cannot start."""
        control, theirs = socket.socketpair()
        control.setblocking(False)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-B", "-m", "adapters.extraction.child"),
                msgspec.json.encode(limits).decode(),
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env={"LC_ALL": "C.UTF-8"},
                cwd="/",
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(_START_SECONDS_MAX):
                ready = await asyncio.get_running_loop().sock_recv(control, 1)
            if ready != READY:
                raise WaitingProcessEnded
        except BaseException as error:
            control.close()
            _kill_group(process)
            await asyncio.shield(process.wait())
            if isinstance(error, TimeoutError | OSError):
                raise WaitingProcessEnded from error
            raise
        return cls(process, control, limits)

    async def read(self, content: bytes, media_type: str) -> bytes:
        """The answer of a new reader, encoded. Ends the reader however this call ends.

        Raises TimeoutError when the wall-clock limit passes, ReaderEnded, WaitingProcessEnded.
        """
        number = next(self._numbers)
        self._ended[number] = asyncio.get_running_loop().create_future()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours:
            try:
                with theirs:
                    self._send(EXTRACT, number, theirs)
                async with asyncio.timeout(self._limits.wall_seconds_max):
                    answer = await self._converse(ours, content, media_type)
                if answer is not None:
                    return answer
                raise await self._why_it_ended(number)
            finally:
                ended = self._ended.pop(number)
                if not ended.done():
                    with contextlib.suppress(WaitingProcessEnded):
                        self._send(KILL, number)

    async def stop(self) -> None:
        """End the process and all its readers; returns when they have ended."""
        self._give_up()
        try:
            async with asyncio.timeout(_END_SECONDS_MAX):
                await self._process.wait()
        except TimeoutError:
            pass
        finally:
            _kill_group(self._process)
        await self._process.wait()

    def _send(self, kind: int, number: int, document: socket.socket | None = None) -> None:
        descriptors = [] if document is None else [document.fileno()]
        try:
            if not self.alive:
                raise WaitingProcessEnded
            socket.send_fds(self._control, [COMMAND.pack(kind, number)], descriptors)
        except OSError as error:  # also when it is stuck, and its queue full
            self._give_up()
            raise WaitingProcessEnded from error

    async def _converse(
        self, document: socket.socket, content: bytes, media_type: str
    ) -> bytes | None:
        """The answer; None when the reader ended before it was complete."""
        loop = asyncio.get_running_loop()
        task = msgspec.msgpack.encode(Task(media_type, len(content)))
        try:
            await loop.sock_sendall(document, LENGTH.pack(len(task)) + task)
            await loop.sock_sendall(document, content)
            head = await _received(document, LENGTH.size)
            (length,) = LENGTH.unpack(head)
            if length > answer_bytes_max(self._limits):
                return None
            return await _received(document, length)
        except (ConnectionError, EOFError):
            return None

    async def _why_it_ended(self, number: int) -> ReaderEnded | WaitingProcessEnded:
        self._send(KILL, number)
        try:
            async with asyncio.timeout(_END_SECONDS_MAX):
                status = await self._ended[number]
        except TimeoutError:
            self._give_up()
            return WaitingProcessEnded()
        if status == NOT_STARTED:
            return WaitingProcessEnded()
        return ReaderEnded(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)

    def _on_control(self) -> None:
        try:
            received = self._control.recv(65_536)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            self._give_up()
            return
        self._received += received
        while len(self._received) >= ENDED.size:
            number, status = ENDED.unpack_from(self._received)
            self._received = self._received[ENDED.size :]
            ended = self._ended.get(number)
            if ended is not None and not ended.done():
                ended.set_result(status)

    def _give_up(self) -> None:
        """Close the socket, at which the process ends, and let nobody wait for it."""
        if not self.alive:
            return
        self.alive = False
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        for ended in self._ended.values():
            if not ended.done():
                ended.set_result(NOT_STARTED)


async def _received(document: socket.socket, length: int) -> bytes:
    content = bytearray(length)
    rest = memoryview(content)
    while rest:
        count = await asyncio.get_running_loop().sock_recv_into(document, rest)
        if count == 0:
            raise EOFError
        rest = rest[count:]
    return bytes(content)


def _kill_group(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
