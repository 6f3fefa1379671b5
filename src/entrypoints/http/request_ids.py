"""The names under which a request is known: X-Request-Id, and W3C trace context."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from litestar.types import Scope


@dataclass(frozen=True, slots=True)
class TraceParent:
    """A caller's place in its trace: lowercase hex, 32 and 16 digits."""

    trace_id: str
    parent_id: str
    sampled: bool


def request_id_of(scope: Scope) -> str:
    """The client's X-Request-Id where it is 1 to 128 visible ASCII characters, else a new one."""
    sent = _header(scope, b"x-request-id")
    return sent if sent and _VISIBLE.fullmatch(sent) else uuid.uuid4().hex


def trace_parent_of(scope: Scope) -> TraceParent | None:
    """The `traceparent` header (W3C Trace Context, level 1, section 3.2); None if not valid."""
    match = _TRACE_PARENT.fullmatch(_header(scope, b"traceparent") or "")
    if match is None or match["version"] == "ff":
        return None
    if match["version"] == "00" and match["rest"]:
        return None
    if not int(match["trace"], 16) or not int(match["parent"], 16):
        return None
    return TraceParent(match["trace"], match["parent"], bool(int(match["flags"], 16) & 1))


_VISIBLE = re.compile(r"[\x21-\x7e]{1,128}")
_TRACE_PARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<rest>-.{0,256})?"
)


def _header(scope: Scope, name: bytes) -> str | None:
    """The value of a header that occurs exactly once."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else None
