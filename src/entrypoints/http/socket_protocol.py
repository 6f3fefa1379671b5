"""WebSockets under uvicorn: frames of bounded size, and a way out for readers that do not read."""

from __future__ import annotations

from typing import Any, Protocol

from litestar.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

FRAME_BYTES_MAX = 128 * 1024
PING_SECONDS = 20.0

_EXTENSION = "strongroom.socket.cut"


class Cut(Protocol):
    """Closes with a code at once, behind what is still being written; after as many seconds more
    the connection is gone, whether the reader has read that or not."""

    def __call__(self, code: int, reason: str, *, linger_seconds: float) -> None: ...


def cut_of(scope: Scope) -> Cut:
    """How to cut a socket; does nothing under another server."""
    extensions: dict[str, Any] = scope.get("extensions") or {}
    cut: Cut = extensions.get(_EXTENSION, _nothing)
    return cut


def _nothing(code: int, reason: str, *, linger_seconds: float) -> None:
    del code, reason, linger_seconds


class SocketProtocol(WebSocketsSansIOProtocol):
    """To close, uvicorn's own waits like any sender until the reader has read."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if hasattr(self, "scope"):  # absent where the handshake was refused
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[_EXTENSION] = self._cut

    def keepalive_timeout(self) -> None:
        super().keepalive_timeout()
        self.transport.abort()  # nobody is there to whom the rest could be sent

    def _cut(self, code: int, reason: str, *, linger_seconds: float) -> None:
        if self.close_sent or self.transport.is_closing():
            return
        self.stop_keepalive()
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.resume_reading()  # the reader's own close ends it sooner
        self.close_timer = self.loop.call_later(linger_seconds, self.transport.abort)
