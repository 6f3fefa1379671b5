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


@dataclass(slots=True, eq=False)
class _Listener:
    """`Signal` of one listener."""

    woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, seconds_max: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds_max):
                await self.woken.wait()
        self.woken.clear()


@dataclass(slots=True)
class PostgresSignals:
    """`Signals` over LISTEN. Run it with `async with signals.listening():`."""

    database: Database
    connected: bool = False
    _listeners: dict[str, list[Callable[[], None]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    @contextmanager
    def listen(self, topic: str) -> Iterator[_Listener]:
        listener = _Listener()
        with self.calling(topic, listener.woken.set):
            yield listener

    @contextmanager
    def calling(self, topic: str, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` at each wake-up: for those who are many, and need no task to wait in."""
        self._listeners[topic].append(wake)
        try:
            yield
        finally:
            self._listeners[topic].remove(wake)
            if not self._listeners[topic]:
                del self._listeners[topic]

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
