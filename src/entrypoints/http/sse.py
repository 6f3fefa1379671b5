"""Server-sent events on the wire (HTML Living Standard, section 9.2)."""

from __future__ import annotations

import msgspec

from entrypoints.http.query import NUMBER_MAX
from entrypoints.http.refusals import InvalidFields, WrongField

HEARTBEAT = b":\n\n"
"""A comment, which readers skip; it keeps proxies and phones from closing an idle stream."""


def sse_frame(data: object, *, event: str | None = None, number: int | None = None) -> bytes:
    """One event whose data is one line of JSON; `msgspec.Raw` passes as it is."""
    return sse_text_frame(msgspec.json.encode(data), event=event, number=number)


def sse_text_frame(payload: bytes, *, event: str | None = None, number: int | None = None) -> bytes:
    """One event whose data is this text, for what is no JSON, as the `[DONE]` of OpenAI.

    Line breaks become spaces, which changes nothing in JSON. `number` becomes the event's
    id. An `event` that would break the frame is a ValueError: it is never a client's to choose.
    """
    if b"\n" in payload or b"\r" in payload:
        payload = payload.replace(b"\r", b" ").replace(b"\n", b" ")
    head = b""
    if number is not None:
        head = b"id: %d\n" % number
    if event is not None:
        head += b"event: " + _name(event) + b"\n"
    return head + b"data: " + payload + b"\n\n"


def sse_retry(milliseconds: int) -> bytes:
    """Tells browsers how long to wait before they reconnect."""
    return b"retry: %d\n\n" % milliseconds


def resume_after(last_event_id: str | None, after: int | None) -> int:
    """The number of the last event that a reader has: from Last-Event-ID, else `?after=`, else 0.

    The header wins, because browsers repeat the URL of the first request when they reconnect.
    """
    if last_event_id is None or last_event_id == "":
        return after or 0
    if last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= 10:
        number = int(last_event_id)
        if number <= NUMBER_MAX:
            return number
    raise InvalidFields([WrongField("/header/Last-Event-ID", "This is not an event's number.")])


def _name(event: str) -> bytes:
    if "\n" in event or "\r" in event:
        raise ValueError("the name of an event may not contain line breaks")
    return event.encode()
