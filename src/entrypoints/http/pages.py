"""Lists in pages: `{items, next_cursor}`, with cursors that only we can make."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import msgspec
from litestar.params import QueryParameter

from entrypoints.http.refusals import InvalidFields, WrongField

T = TypeVar("T")
Found = TypeVar("Found")

LIMIT_DEFAULT = 50
LIMIT_MAX = 200

Limit = Annotated[
    int, QueryParameter(ge=1, le=LIMIT_MAX, description="How many items at most in one page.")
]
"""A handler's `limit: Limit = LIMIT_DEFAULT`."""

Cursor = Annotated[
    str | None,
    QueryParameter(max_length=1024, description="The `next_cursor` of the page before."),
]
"""A handler's `cursor: Cursor = None`."""

Position = tuple[str | int, ...]
"""Where a page ended: the sort keys of its last item."""


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list. `next_cursor` is null on the last one."""

    items: list[T]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursors:
    """Makes and opens cursors: positions signed with HMAC-SHA256 (RFC 2104).

    A cursor holds for one list of one tenant. `of` names the list with whatever filters it, so
    that a cursor cannot be carried over to another query.
    """

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) < 32:
            raise ValueError("the secret of cursors needs at least 32 bytes")

    def seal(self, position: Sequence[str | int], *, of: str, tenant_id: UUID) -> str:
        payload = msgspec.json.encode(list(position))
        return _to_text(self._signature(payload, of, tenant_id) + payload)

    def open(self, cursor: str | None, *, of: str, tenant_id: UUID) -> Position | None:
        """The position, or None for the first page.

        Raises InvalidFields at /query/cursor for what we did not make for this list and tenant.
        """
        if cursor is None:
            return None
        try:
            sealed = _from_text(cursor)
        except (binascii.Error, UnicodeEncodeError):
            raise _not_ours() from None
        signature, payload = sealed[:_SIGNATURE_BYTES], sealed[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(payload, of, tenant_id)):
            raise _not_ours()
        return msgspec.json.decode(payload, type=Position)

    def _signature(self, payload: bytes, of: str, tenant_id: UUID) -> bytes:
        # Fixed lengths first, so that no two lists share the bytes that are signed.
        name = hashlib.sha256(of.encode()).digest()
        return hmac.digest(self.secret, b"cursor\x01" + tenant_id.bytes + name + payload, "sha256")


def page_of(
    found: Sequence[Found],
    *,
    limit: int,
    show: Callable[[Found], T],
    position: Callable[[Found], Sequence[str | int]],
    cursors: Cursors,
    of: str,
    tenant_id: UUID,
) -> Page[T]:
    """The page that shows the first `limit` of what was found, having asked for one more.

    `show` makes the wire form of an item, `position` gives its sort keys.
    """
    shown = found[:limit]
    more = len(found) > limit
    cursor = cursors.seal(position(shown[-1]), of=of, tenant_id=tenant_id) if more else None
    return Page(items=[show(item) for item in shown], next_cursor=cursor)


_SIGNATURE_BYTES = 32


def _not_ours() -> InvalidFields:
    return InvalidFields([WrongField("/query/cursor", "This cursor does not belong to this list.")])


def _to_text(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def _from_text(cursor: str) -> bytes:
    padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
    sealed = base64.b64decode(padded, altchars=b"-_", validate=True)
    if _to_text(sealed) != cursor:
        raise binascii.Error("not in canonical form")
    return sealed
