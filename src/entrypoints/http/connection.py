"""One client's connection: uvicorn's httptools protocol, with the limits it lacks.

httptools bounds neither the head of a request nor the time it takes, and uvicorn answers what
it refuses itself in plain text. This subclass adds both limits, answers with problems, and lets
a stream close the connection of a reader that does not read.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
from litestar.types import Scope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from entrypoints.http.problems import MEDIA_TYPE, Problem
from entrypoints.http.statuses import code_of, title_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What the head of a request may cost, and how many requests are answered at a time."""

    url_bytes_max: int = 8 * 1024
    head_bytes_max: int = 32 * 1024
    head_seconds_max: float = 20.0
    requests_max: int | None = None
    connections_max: int | None = None


class Close(Protocol):
    """Closes a connection: after what was written, or, with `abort`, at once."""

    def __call__(self, *, abort: bool) -> None: ...


def close_of(scope: Scope) -> Close:
    """How to close the connection of a request; does nothing under another server."""
    connection = _connection_of(scope)
    return _nothing if connection is None else connection.close


def lost_of(scope: Scope) -> asyncio.Future[None] | None:
    """Done once the client of a request is gone; None under another server.

    For streams, of which there are thousands: to wait for `http.disconnect` takes a task.
    """
    connection = _connection_of(scope)
    return None if connection is None else connection.lost()


def bounded(limits: ConnectionLimits) -> type[HttpToolsProtocol]:
    """The protocol class with these limits, for uvicorn's `http` setting."""
    return type("Connection", (_BoundedConnection,), {"limits": limits, "__slots__": ()})


_LINGER_SECONDS = 1.0
_EXTENSION = "strongroom.connection"


def _connection_of(scope: Scope) -> _BoundedConnection | None:
    extensions: dict[str, Any] = scope.get("extensions") or {}
    return extensions.get(_EXTENSION)


def _nothing(*, abort: bool) -> None:
    del abort


class _BoundedConnection(HttpToolsProtocol):
    # The dict of an object shares its keys with others of its class up to 30 of them, and uvicorn
    # has 28: ours beside them would make it three times as large, for each connection.
    __slots__ = (
        "_head_bytes",
        "_head_pending",
        "_head_timer",
        "_in_body",
        "_is_lost",
        "_lingering",
        "_lost",
        "_refused",
    )

    limits = ConnectionLimits()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.pipeline: deque[Any]
        self._head_pending = 0
        self._head_bytes = 0
        self._in_body = False
        self._refused = HTTPStatus.BAD_REQUEST
        self._lingering = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_lost = False
        self._lost: asyncio.Future[None] | None = None

    def lost(self) -> asyncio.Future[None]:
        """Done once the client is gone."""
        if self._lost is None or self._lost.done():
            self._lost = self.loop.create_future()
            if self._is_lost:
                self._lost.set_result(None)
        return self._lost

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._is_lost = True
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts what has come of a head that is not complete: callbacks see whole lines only."""
        if self._lingering or self.transport.is_closing():
            return
        self._head_pending += len(data)
        super().data_received(data)
        if self._in_body:
            self._head_pending = 0
        elif self._head_pending > self.limits.head_bytes_max:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._head_pending:
            self._arm()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        extensions: Any = {_EXTENSION: self}
        self.scope["extensions"] = extensions

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > self.limits.url_bytes_max:
            self._refused = HTTPStatus.REQUEST_URI_TOO_LONG
            raise ValueError(title_of(self._refused))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > self.limits.head_bytes_max:
            self._refused = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise ValueError(title_of(self._refused))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._disarm()
        self._head_pending = 0
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._head_pending = 0
        self._in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for a head it cannot parse; our limits come here as well."""
        self._refuse(self._refused)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        limits = self.limits
        crowded = limits.requests_max is not None and len(self.tasks) >= limits.requests_max
        full = limits.connections_max is not None and (
            len(self.connections) > limits.connections_max
        )
        super()._start_asgi_task(cycle, _overloaded if crowded or full else app)

    def _arm(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.head_seconds_max, self._head_late)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        self._head_timer = None
        if self._head_pending or self.cycle is None:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer before there is a request, and close.

        Closing while the client still sends would reset the connection, and the client would
        lose the answer: what it sends is thrown away for a moment more (RFC 9112, section 9.6).
        """
        if self._lingering or self.transport.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()  # an answer is under way: ours would land in its midst
            return
        body = msgspec.json.encode(_problem(status))
        head = (
            f"HTTP/1.1 {status.value} {title_of(status)}\r\n"
            f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            "cache-control: no-store\r\nx-content-type-options: nosniff\r\n"
            "connection: close\r\n\r\n"
        )
        self._lingering = True
        self.transport.write(head.encode() + body)
        self.transport.write_eof()
        self.loop.call_later(_LINGER_SECONDS, self.transport.close)

    def close(self, *, abort: bool) -> None:
        if self.transport.is_closing():
            return
        if abort:
            # To linger for no time drops also what the kernel holds for a reader that is slow.
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        else:
            self.transport.close()


async def _overloaded(scope: Any, receive: Any, send: Callable[[Any], Any]) -> None:
    body = msgspec.json.encode(_problem(HTTPStatus.SERVICE_UNAVAILABLE))
    headers = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", b"1"),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


_DETAILS = {
    HTTPStatus.BAD_REQUEST: "This is not an HTTP request.",
    HTTPStatus.REQUEST_TIMEOUT: "The head of the request did not arrive in time.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The URL is longer than this server accepts.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The headers are larger than this server accepts.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The server is answering as many requests as it can.",
}


def _problem(status: HTTPStatus) -> Problem:
    code = code_of(status)
    return Problem(
        type=f"urn:strongroom:problem:{code}",
        title=title_of(status),
        status=status.value,
        detail=_DETAILS[status],
        instance="",
        code=code,
        request_id="",
    )
