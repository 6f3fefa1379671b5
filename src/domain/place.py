"""Where in its file a stretch of text stands, in the terms of the file's format."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from operator import itemgetter
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Each is None where the format has no such thing; a file within a message has several.

    `page` is the page or slide, and `row` the row of a table or the line of JSON Lines, both
    from 1. `pointer` is a JSON Pointer (RFC 6901); of JSON Lines, into the value of that line.
    `part` names a part of a message as IMAP does (RFC 9051, section 6.4.5): 2.1 is the first
    part of the second.
    """

    page: int | None = None
    sheet: str | None = field(default=None, repr=False)
    row: int | None = None
    pointer: str | None = field(default=None, repr=False)
    part: str | None = None

    def __post_init__(self) -> None:
        if any(number is not None and number < 1 for number in (self.page, self.row)):
            raise ValueError("pages and rows count from 1")

    def known(self) -> dict[str, str | int]:
        """What the format has, by name."""
        named = ((each.name, getattr(self, each.name)) for each in fields(self))
        return {name: value for name, value in named if value is not None}


NOWHERE = Place()

Places: TypeAlias = Sequence[tuple[int, Place]]
"""The places of a text, in order: each with the byte, from 0, where it begins."""


def place_at(places: Places, at: int) -> Place:
    """The place of a byte; NOWHERE before the first one."""
    found = bisect_right(places, at, key=itemgetter(0))
    return places[found - 1][1] if found else NOWHERE
