"""The server: uvicorn, run from the program, with a shutdown that open streams hear of first."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import uvicorn
from litestar.types import ASGIApp

from entrypoints.http.connection import ConnectionLimits, bounded
from entrypoints.http.drain import Drain
from entrypoints.http.socket_protocol import FRAME_BYTES_MAX, PING_SECONDS, SocketProtocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where to listen and what a connection may cost.

    `trusted_proxies` are the addresses whose X-Forwarded-* headers are believed: nobody's by
    default. `drain_seconds_max` is what requests get to finish in once the server is told to stop.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    keep_alive_seconds: int = 15
    drain_seconds_max: int = 20
    backlog: int = 2048
    trusted_proxies: tuple[str, ...] = ()


class CannotListen(Exception):
    """The address is taken, not ours, or not allowed to us."""


class DrainAwareServer(uvicorn.Server):
    """Stops on SIGTERM and Ctrl-C: streams end first, requests finish, then the application.

    A second Ctrl-C, or the end of `drain_seconds_max`, closes whatever is still open.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: ServerSettings,
        drain: Drain,
        *,
        announce: Callable[[DrainAwareServer], None] | None = None,
    ) -> None:
        """`announce` is called once, as soon as the server accepts connections."""
        super().__init__(_config(app, settings))
        self._drain = drain
        self._announce = announce

    @property
    def port(self) -> int:
        """Where it listens, once `started`; of use when port 0 was asked for."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Raises CannotListen; uvicorn itself has logged why, and would end the process."""
        try:
            await super().startup(sockets)
        except SystemExit:
            where = f"{self.config.host}:{self.config.port}"
            raise CannotListen(f"{where} cannot be listened on") from None
        if self.started and self._announce is not None:
            self._announce(self)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._drain.begin()
        force = asyncio.create_task(self._close_when_forced())
        try:
            await super().shutdown(sockets)
        finally:
            force.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but a stop that was asked for is a success, with exit status 0."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def _close_when_forced(self) -> None:
        # A signal handler sets the flag, and has nothing to set that could be waited for.
        while not self.force_exit:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        for connection in list(self.server_state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.cancel()


def _config(app: ASGIApp, settings: ServerSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=bounded(settings.limits),
        ws=SocketProtocol,
        ws_max_size=FRAME_BYTES_MAX,
        ws_ping_interval=PING_SECONDS,
        ws_ping_timeout=PING_SECONDS,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        backlog=settings.backlog,
        timeout_keep_alive=settings.keep_alive_seconds,
        timeout_graceful_shutdown=settings.drain_seconds_max,
    )
