"""Every single alteration of a JSON document, made from the document itself."""

from __future__ import annotations

import base64
import binascii
import copy
from collections.abc import Iterator
from typing import Any

Json = Any


def alterations(document: Json) -> Iterator[tuple[str, Json]]:
    """What was altered, and the document with that and nothing else altered.

    Of each member: left out, put in beside it, its value another one; of each list: an item left
    out, given twice, two exchanged. A text is altered at its beginning, middle and end, and where
    it is base64, also by a bit of what it encodes.
    """
    for path in list(_paths(document)):
        where = "/".join(map(str, path)) or "everything"
        for what, change in _changes(_at(document, path)):
            altered = copy.deepcopy(document)
            if path:
                _at(altered, path[:-1])[path[-1]] = change
            else:
                altered = change
            if altered != document:
                yield f"{where}: {what}", altered


def _paths(value: Json, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, each in items:
        yield from _paths(each, (*path, key))


def _at(document: Json, path: tuple[Any, ...]) -> Json:
    for key in path:
        document = document[key]
    return document


def _changes(value: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict):
        for key in value:
            yield f"without {key}", {name: each for name, each in value.items() if name != key}
            yield (
                f"{key} called otherwise",
                {(f"{name}_" if name == key else name): each for name, each in value.items()},
            )
        yield "with one more", value | {"more": 1}
    elif isinstance(value, list):
        for place in range(len(value)):
            yield f"without item {place}", value[:place] + value[place + 1 :]
            yield f"item {place} twice", value[: place + 1] + value[place:]
            if place:
                exchanged = list(value)
                exchanged[place - 1], exchanged[place] = exchanged[place], exchanged[place - 1]
                yield f"items {place - 1} and {place} exchanged", exchanged
        yield "with one more", [*value, None]
    elif isinstance(value, bool):
        yield "the opposite", not value
    elif isinstance(value, int):
        yield "one more", value + 1
        yield "one less", value - 1
        yield "negative", -value - 1
        yield "a text", str(value)
    elif isinstance(value, str):
        yield from _other_texts(value)
    if value is None:
        yield "something", "x"
        yield "a number", 0
    else:
        yield "nothing", None


def _other_texts(text: str) -> Iterator[tuple[str, str]]:
    for place in sorted({0, len(text) // 2, max(0, len(text) - 1)}):
        if text:
            other = "y" if text[place] == "x" else "x"
            yield f"character {place} another", text[:place] + other + text[place + 1 :]
            yield f"without character {place}", text[:place] + text[place + 1 :]
    yield "longer", text + " "
    yield "empty", ""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return
    if content:
        flipped = bytes([content[0] ^ 1]) + content[1:]
        yield "a bit another", base64.b64encode(flipped).decode()
