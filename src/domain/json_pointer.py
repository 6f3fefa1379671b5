"""JSON Pointers (RFC 6901): naming parts of a JSON value, and keeping only those that are named.

A pointer names the same part of a selection as of the whole: a list keeps its places, with null
in those that were not selected, and ends after the last one that was.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import TypeAlias

from domain.errors import Invalid

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""A JSON value as Python's own json module reads it."""

Pointers: TypeAlias = "frozenset[str]"

LENGTH_MAX = 512
DEPTH_MAX = 32
POINTERS_MAX = 100
WHOLE = ""
"""The pointer to everything."""


class PointerNotUsable(Invalid):
    """A field is named by a JSON Pointer, such as /address/city, of at most 512 characters."""

    code = "pointer_not_usable"


def parse(pointer: str, *, field: str | None = None) -> tuple[str, ...]:
    """The names and places on the way, outermost first; none of them for the whole.

    Raises PointerNotUsable, blaming `field` of the request.
    """
    tokens = pointer.split("/")
    fits = len(pointer) <= LENGTH_MAX and len(tokens) <= DEPTH_MAX + 1
    if tokens[0] or not fits or _WRONG_ESCAPE.search(pointer) or "\x00" in pointer:
        raise PointerNotUsable(field=field)
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in tokens[1:])


def below(pointer: str, token: str | int) -> str:
    """The pointer to a member of what `pointer` names."""
    return f"{pointer}/{str(token).replace('~', '~0').replace('/', '~1')}"


def covers(granted: Collection[str], asked: str) -> bool:
    """Whether `asked` is one of the granted pointers, or lies within what one of them names.

    A name is escaped in one way only, so that pointers can be compared as they are written.
    """
    return any(asked == each or asked.startswith(f"{each}/") for each in granted)


def value_at(value: Json, pointer: str) -> Json:
    """What a pointer names. Raises LookupError or ValueError where the value has no such part."""
    for token in parse(pointer):
        if isinstance(value, dict):
            value = value[token]
        elif isinstance(value, list):
            value = value[int(token)]
        else:
            raise LookupError(token)
    return value


def select(value: Json, pointers: Collection[str]) -> Json:
    """A value that holds what the pointers name, in the structure around it, and nothing else.

    What a pointer names and the value does not have leaves no trace. Where nothing is selected,
    an object or a list becomes an empty one, anything else null.
    """
    selected = _select(value, [parse(each) for each in pointers])
    if selected is not _NOTHING:
        return selected  # type: ignore[return-value]
    return {} if isinstance(value, dict) else [] if isinstance(value, list) else None


def pointers_of(value: Json, pointer: str = WHOLE) -> Iterator[str]:
    """The pointers to all leaves in order: what has no members, empty objects and lists too."""
    for name, _ in leaves_of(value, pointer):
        yield name


def leaves_of(value: Json, pointer: str = WHOLE) -> Iterator[tuple[str, Json]]:
    """As `pointers_of`, each with what it names."""
    members = _members(value)
    if not members:
        yield pointer, value
    for token, member in members:
        yield from leaves_of(member, below(pointer, token))


_WRONG_ESCAPE = re.compile(r"~(?![01])")
_PLACE = re.compile(r"0|[1-9][0-9]{0,8}")
_NOTHING = object()


def _select(value: Json, paths: list[tuple[str, ...]]) -> object:
    if any(not path for path in paths):
        return value
    wanted: dict[str, list[tuple[str, ...]]] = {}
    for first, *rest in paths:
        wanted.setdefault(first, []).append(tuple(rest))
    if isinstance(value, dict):
        return _selected_members(value, wanted)
    if isinstance(value, list):
        return _selected_places(value, wanted)
    return _NOTHING


def _selected_members(value: dict[str, Json], wanted: dict[str, list[tuple[str, ...]]]) -> object:
    found = {
        name: _select(member, wanted[name]) for name, member in value.items() if name in wanted
    }
    kept = {name: member for name, member in found.items() if member is not _NOTHING}
    return kept or _NOTHING


def _selected_places(value: list[Json], wanted: dict[str, list[tuple[str, ...]]]) -> object:
    kept: dict[int, object] = {}
    for token, rest in wanted.items():
        if _PLACE.fullmatch(token) and int(token) < len(value):
            selected = _select(value[int(token)], rest)
            if selected is not _NOTHING:
                kept[int(token)] = selected
    return [kept.get(place) for place in range(max(kept) + 1)] if kept else _NOTHING


def _members(value: Json) -> list[tuple[str | int, Json]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []
