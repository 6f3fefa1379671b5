"""JSON bodies, read strictly and within limits, for handlers that ask for `JSONBody[SomeStruct]`.

Litestar asks the request for its body, then for its JSON, and then fits the JSON to the
handler's signature. `StrictRequest` answers the second question with the finished Struct, which
the third step passes through untouched: the handler's annotation stays the only declaration,
and the OpenAPI document is made from it. The limit per route is Litestar's
`request_max_body_size`; `BODY_BYTES_MAX` where a route says nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.params import BodyKwarg
from litestar.types import Empty
from litestar.typing import FieldDefinition

from entrypoints.http.fields import read_value
from entrypoints.http.json_text import parse_json
from entrypoints.http.refusals import (
    BodyMissing,
    BodyTooLarge,
    BodyTooSlow,
    ClientGone,
    NotJson,
    WrongContentType,
)

BODY_BYTES_MAX = 64 * 1024
PIECE_SECONDS_MAX = 20.0
JSON = "application/json"


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON is the Struct that its handler asks for, or a precise refusal."""

    async def body(self) -> bytes:
        """The whole body. Refuses one that a handler of JSON could not read, before reading it.

        Raises WrongContentType, BodyMissing, BodyTooLarge, BodyTooSlow or ClientGone.
        """
        field = self._json_field()
        if field is not None:
            self._require_json_type(field)
        content = await super().body()
        if field is not None and not content and field.is_required:
            raise BodyMissing
        return content

    async def json(self) -> Any:
        """The body as the type of the handler's `data`; plain objects where it has none.

        Raises NotJson and InvalidFields beside what `body` raises.
        """
        if self._json is Empty:
            field = self._json_field()
            plain = parse_json(await self.body())
            if field is None:
                self._json = plain
            elif plain is None and not field.is_optional:
                raise NotJson("The body is null, where an object is needed.")
            else:
                self._json = read_value(plain, field.annotation)
        return self._json

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces as they arrive, counted against the route's limit.

        The limit holds for what is announced and for what comes, in chunks or not. Raises
        BodyTooLarge, BodyTooSlow after PIECE_SECONDS_MAX without a piece, and ClientGone.
        """
        if isinstance(self._body, bytes):
            yield self._body
            return
        if not self.is_connected:
            raise RuntimeError("the body has been read before")
        bytes_max = self.route_handler.resolve_request_max_body_size()
        if bytes_max is not None and (self.content_length or 0) > bytes_max:
            raise BodyTooLarge(bytes_max)
        received, more = 0, True
        while more:
            piece, more = await self._next_piece()
            received += len(piece)
            if bytes_max is not None and received > bytes_max:
                raise BodyTooLarge(bytes_max)
            if piece:
                yield piece
        self.is_connected = False

    async def _next_piece(self) -> tuple[bytes, bool]:
        try:
            async with asyncio.timeout(PIECE_SECONDS_MAX):
                message: Any = await self.receive()
        except TimeoutError:
            raise BodyTooSlow from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        return message.get("body", b""), message.get("more_body", False)

    def _json_field(self) -> FieldDefinition | None:
        """The handler's `data` parameter, where it is JSON."""
        field = self.route_handler.parsed_fn_signature.parameters.get("data")
        return field if field is not None and "json" in _media_type(field) else None

    def _require_json_type(self, field: FieldDefinition) -> None:
        accepted = tuple(dict.fromkeys((_media_type(field), JSON)))
        sent, options = self.content_type
        encoding = self.headers.get("content-encoding", "identity").lower()
        charset = options.get("charset", "utf-8").lower()
        if (
            not sent
            and self.content_length in (0, None)
            and "transfer-encoding" not in self.headers
        ):
            return  # nothing was sent: the body is missing rather than of a wrong type
        if sent not in accepted or encoding != "identity" or charset not in ("utf-8", "utf8"):
            raise WrongContentType(*accepted)


def _media_type(field: FieldDefinition) -> str:
    definition = field.kwarg_definition
    if not isinstance(definition, BodyKwarg):
        return ""
    declared = definition.media_type
    return declared.value if isinstance(declared, RequestEncodingType) else declared
