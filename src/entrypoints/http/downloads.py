"""The bytes of a version: whole, one range, or not modified; sent for as long as they may be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

import structlog
from litestar import Request, Response
from litestar.datastructures import Cookie
from litestar.enums import MediaType
from litestar.openapi.datastructures import ResponseSpec
from litestar.response import Stream
from litestar.response.base import ASGIResponse
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import Receive, Scope, Send, TypeEncodersMap

from application.audit.promise_entry import PromiseEntry
from application.ports import LeaseLost
from application.vault.read_content import OpenContent
from domain.audit.note import to_base64
from domain.identity import Caller
from entrypoints.http.connection import close_of
from entrypoints.http.etags import etag_of, is_unchanged
from entrypoints.http.ranges import byte_range
from entrypoints.http.streams import disconnected

_log = structlog.get_logger(__name__)

PARTLY = {
    206: ResponseSpec(
        bytes,
        generate_examples=False,
        media_type="application/octet-stream",
        description="The range that was asked for.",
    ),
    304: ResponseSpec(None, generate_examples=False, description="The client has this version."),
}
"""What `download` answers beside the whole."""


async def download(
    request: Request[Any, Any, Any],
    caller: Caller,
    content: OpenContent,
    promise_entry: PromiseEntry,
) -> Response[Any]:
    """The whole, one range, or 304: the content of a version never changes.

    Whoever reads holds a promise that the log will say so, before the first byte; whoever reads
    text, the key to what stands for it in manifests and in the log.
    """
    async with content.watched():
        promise = await promise_entry(caller=caller, event_id=content.release.id)
    etag = etag_of(content.version.version)
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'attachment; filename="{content.version.document_id}"',
        "X-Release-Id": str(content.release.id),
        "X-Release-Promise": to_base64(promise.encode()),
    }
    if content.text_key is not None:
        headers["X-Text-Key"] = to_base64(content.text_key)
    if is_unchanged(request.headers.get("if-none-match"), etag):
        return Response(None, status_code=304, headers=headers)
    part = byte_range(
        request.headers.get("range"),
        length=content.length,
        etag=etag,
        if_range=request.headers.get("if-range"),
    )
    start, end = (part.start, part.end) if part else (0, content.length)
    headers["Content-Length"] = str(end - start)
    if part:
        headers["Content-Range"] = part.content_range
    return _HeldStream(
        content,
        await _begun(content.read(start, end)),
        status_code=206 if part else 200,
        media_type=content.media_type,
        headers=headers,
    )


async def _begun(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same pieces, once the first is there: what cannot be opened is refused, and not cut."""
    first = await anext(pieces, b"")

    async def all_of_them() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return all_of_them()


class _HeldStream(Stream):
    """Litestar's Stream, sent by `_HeldResponse`."""

    __slots__ = ("_content",)

    def __init__(self, content: OpenContent, pieces: AsyncIterator[bytes], **head: Any) -> None:
        super().__init__(pieces, **head)
        self._content = content

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
        return _HeldResponse(
            self._content,
            iterator=self.iterator,
            headers={**(headers or {}), **self.headers},
            media_type=self.media_type,
            status_code=self.status_code or status_code,
        )


class _HeldResponse(ASGIStreamingResponse):
    """Cuts the connection when the grant ends: no reader takes the part for the whole."""

    __slots__ = ("_content",)

    def __init__(self, content: OpenContent, **head: Any) -> None:
        super().__init__(**head)
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._content.held():
                await super().__call__(scope, receive, send)
        except LeaseLost:
            _log.info("download_cut", document_id=str(self._content.version.document_id))
            close_of(scope)(abort=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await disconnected(receive)
