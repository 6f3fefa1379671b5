"""The Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

import msgspec
from litestar import Request
from litestar.params import HeaderParameter

from application.ports import Idempotency
from entrypoints.http.refusals import InvalidFields, WrongField

IDEMPOTENCY_KEY = "Idempotency-Key"
KEY_LENGTH_MAX = 255

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name=IDEMPOTENCY_KEY,
        description="Repeated with the same key, a request takes effect once, and each repeat is "
        "answered with what came of it. With another body it is refused: 422. One that arrives "
        "while the first is under way waits for it, for 2 seconds at most; then 409, code "
        "`idempotency_key_in_use`, whatever its body, and `Retry-After`.",
    ),
]
"""A handler's `idempotency_key: IdempotencyKey = None`."""


def idempotency_of(
    request: Request[Any, Any, Any], key: str | None, asked: object = None
) -> Idempotency | None:
    """The client's key with a fingerprint of what is asked; None where no key was sent.

    `asked` is the request's body as a Struct. Raises InvalidFields for a key that is none.
    """
    if key is None:
        return None
    if not 1 <= len(key) <= KEY_LENGTH_MAX or not key.isascii() or not key.isprintable():
        detail = f"A key is 1 to {KEY_LENGTH_MAX} visible ASCII characters."
        raise InvalidFields([WrongField("/header/Idempotency-Key", detail)])
    body = b"" if asked is None else msgspec.json.encode(asked, order="deterministic")
    fingerprint = hashlib.sha256(request.url.path.encode() + b"\0" + body).digest()
    route = f"{request.method} {request.route_handler.paths}"
    return Idempotency(route=route, key=key, request_hash=fingerprint)
