"""Query parameters that several routes share."""

from __future__ import annotations

from typing import Annotated, Literal

from litestar.params import QueryParameter

from domain.json_pointer import POINTERS_MAX, PointerNotUsable, Pointers, parse
from domain.language import TAG_LENGTH_MAX

NUMBER_MAX = 2**31 - 1  # what the database holds; nothing is ever numbered higher

AskedPurpose = Annotated[
    str,
    QueryParameter(
        min_length=1,
        max_length=64,
        description="Why this is asked for: what is read under a grant needs the grant's purpose.",
    ),
]
"""A handler's `purpose: AskedPurpose = PERSONAL_USE`."""

AskedReading = Annotated[
    Literal["read", "export"],
    QueryParameter(
        description=(
            "What is done with it: looked at, or taken along. A grant permits what it names, and "
            "the access says which."
        )
    ),
]
"""A handler's `action: AskedReading = "read"`."""

FIELDS_LENGTH_MAX = 4096
COMMA = "~2"
"""A comma within a name. RFC 6901 has no such escape, so no pointer means anything else by it."""

AskedFields = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=FIELDS_LENGTH_MAX,
        description=(
            "These parts of the record alone: JSON Pointers (RFC 6901) with commas between them, "
            f"such as /name,/address/city; {POINTERS_MAX} at most. A comma within a name is "
            f"written {COMMA}."
        ),
    ),
]
"""A handler's `fields: AskedFields = None`, for `fields_of`."""

AskedVersion = Annotated[
    int | None,
    QueryParameter(
        ge=1, le=NUMBER_MAX, description="A version of the document; the newest if left out."
    ),
]
"""A handler's `version: AskedVersion = None`."""

AfterEvent = Annotated[
    int | None,
    QueryParameter(
        ge=0, le=NUMBER_MAX, description="The number of the last event that the reader has."
    ),
]
"""A handler's `after: AfterEvent = None`."""

AskedLanguage = Annotated[
    str | None,
    QueryParameter(
        name="language",
        min_length=2,
        max_length=TAG_LENGTH_MAX,
        description="The language of the text, as a tag of BCP 47; guessed if nobody ever said it.",
    ),
]
"""A handler's `written_in: AskedLanguage = None`."""


def fields_of(asked: str | None) -> Pointers | None:
    """The pointers that were asked for. Raises PointerNotUsable, naming /query/fields."""
    if asked is None:
        return None
    pointers = frozenset(asked.split(","))
    if len(pointers) > POINTERS_MAX or "" in pointers:
        raise PointerNotUsable(field="/query/fields")
    return frozenset(_pointer(each) for each in pointers)


def _pointer(written: str) -> str:
    pointer = written.replace(COMMA, ",")
    parse(pointer, field="/query/fields")
    return pointer
