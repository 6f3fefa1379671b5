"""Wake-ups by NOTIFY: one connection listens for the whole process.

A wake-up is sent inside the transaction that has the news, so it arrives after the commit.
While the connection is lost nobody is woken, and listeners fall back on their own time limit.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.engine import APPLICATION, Database

_CHANNEL = "strongroom"
_NOTIFY = text("SELECT pg_notify('strongroom', :topic)")
RECONNECT_SECONDS = 1.0

log = structlog.get_logger()


async def notify(connection: AsyncConnection, topic: str) -> None:
    """Wake the listeners of `topic`, in this and other processes, once this transaction commits."""
    await connection.execute(_NOTIFY, {"topic": topic})


class _Listener:
    """`Signal` of one listener, within whose block it is woken.

    An event is made for whoever waits: most who listen read from memory, and there are thousands.
    """

    __slots__ = ("_event", "_is_woken", "_listeners", "_topic")

    def __init__(self, listeners: dict[str, list[Callable[[], None]]], topic: str) -> None:
        self._listeners = listeners
        self._topic = topic
        self._is_woken = False
        self._event: asyncio.Event | None = None

    def __enter__(self) -> _Listener:
        self._listeners[self._topic].append(self._wake)
        return self

    def __exit__(self, *_: object) -> None:
        _forget(self._listeners, self._topic, self._wake)

    async def wait(self, seconds_max: float) -> None:
        if not self._is_woken:
            self._event = asyncio.Event()
            try:
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds_max):
                        await self._event.wait()
            finally:
                self._event = None
        self._is_woken = False

    def _wake(self) -> None:
        self._is_woken = True
        if self._event is not None:
            self._event.set()


@dataclass(slots=True)
class PostgresSignals:
    """`Signals` over LISTEN. Run it with `async with signals.listening():`."""

    database: Database
    connected: bool = False
    _listeners: dict[str, list[Callable[[], None]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def listen(self, topic: str) -> _Listener:
        return _Listener(self._listeners, topic)

    @contextmanager
    def calling(self, topic: str, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` at each wake-up: for those who are many, and need no task to wait in."""
        self._listeners[topic].append(wake)
        try:
            yield
        finally:
            _forget(self._listeners, topic, wake)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self._keep_listening(), name="signals")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep_listening(self) -> None:
        while True:
            try:
                await self._listen_until_lost()
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("signals_lost", error=type(error).__name__)
            self.connected = False
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_until_lost(self) -> None:
        connection = await self.database.connect(APPLICATION)
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await connection.add_listener(_CHANNEL, self._on_notify)
            self.connected = True
            self._wake_all()  # whatever was sent while nobody listened
            await lost.wait()
        finally:
            connection.terminate()

    def _on_notify(self, _connection: Any, _pid: int, _channel: str, topic: str) -> None:
        for wake in self._listeners.get(topic, ()):
            wake()

    def _wake_all(self) -> None:
        for listeners in self._listeners.values():
            for wake in listeners:
                wake()


def _forget(
    listeners: dict[str, list[Callable[[], None]]], topic: str, wake: Callable[[], None]
) -> None:
    listeners[topic].remove(wake)
    if not listeners[topic]:
        del listeners[topic]
