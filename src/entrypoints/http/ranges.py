"""Byte ranges of content (RFC 9110, section 14): one range, or the whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

from entrypoints.http.refusals import RangeNotSatisfiable


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes [start, end) of content of `length` bytes; half-open, unlike the header's."""

    start: int
    end: int
    length: int

    @property
    def content_range(self) -> str:
        """The value of the Content-Range header."""
        return f"bytes {self.start}-{self.end - 1}/{self.length}"


def byte_range(
    range_header: str | None, *, length: int, etag: str, if_range: str | None = None
) -> ByteRange | None:
    """The range to answer with 206, or None to answer with everything and 200.

    Ignored, as the RFC allows: other units, malformed ranges, several ranges, and a range whose
    If-Range is not exactly this strong `etag` (dates are never strong here). Raises
    RangeNotSatisfiable (416) where the range selects no byte.
    """
    if range_header is None or (if_range is not None and if_range.strip() != etag):
        return None
    match = _ONE_RANGE.fullmatch(range_header.strip())
    if match is None:
        return None
    first, last = match["first"], match["last"]
    if not first and not last:
        return None
    if not first:
        start, end = max(0, length - int(last)), length
    else:
        start, end = int(first), min(length, int(last) + 1) if last else length
        if last and int(last) < start:
            return None
    if start >= length or start >= end:
        raise RangeNotSatisfiable(length)
    return ByteRange(start, end, length)


_ONE_RANGE = re.compile(
    r"bytes\s*=\s*(?P<first>[0-9]{0,18})\s*-\s*(?P<last>[0-9]{0,18})", re.IGNORECASE
)
