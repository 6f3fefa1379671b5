"""Reads JSON and JSON Lines: each row names what its values are, and its JSON Pointer.

A small object is one row, "name: Ada | address city: London"; what is larger is taken apart, its
parts under headings. So a passage makes sense by itself, and a pointer says where it is from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple, TypeAlias

from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.plain_text import decoded
from adapters.extraction.transcript import Transcript
from domain.json_pointer import LENGTH_MAX, below
from domain.place import Place
from domain.retrieval.extracted_text import BlockKind, ExtractedText
from domain.retrieval.rejection import (
    JSON_NOT_WELL_FORMED,
    DocumentRejected,
    deeper_than,
    more_than,
)

_Value: TypeAlias = "str | bool | list[_Value] | dict[str, _Value] | None"
"""A JSON value; numbers as they are written, for what they mean to a reader is in their digits."""

_ROW_CHARACTERS_MAX = 600
_ROW_VALUES_MAX = 60
_HEADING_LEVEL_MAX = 6
_TOKEN = re.compile(
    r'\s*+(?:"(?:[^"\\\x00-\x1f]|\\.)*+"|[\[\]{},:]|-?[0-9][0-9.eE+-]*+|true|false|null)'
)
_CUT_TOKEN = re.compile(r'\s*+(?:"(?:[^"\\\x00-\x1f]|\\.)*+\\?|[-a-z0-9.+E]{1,99})?')
_START = re.compile(r'\s*+(?:\{\s*+["}]|\[\s*+(?:["\[\]{tfn0-9-]))')
_LINE = re.compile(r"[^\n]+")


class JsonKind(Enum):
    """One value, or one on each line."""

    ONE = 1
    LINES = 2


def json_kind(head: str, tail: bytes, *, whole: bool) -> JsonKind | None:
    """Whether text is JSON, by how it begins and ends; None if it is not.

    Only objects and lists count: a bare word or number is text. Takes time in proportion.
    """
    if not _START.match(head):
        return None
    first, _, rest = head.partition("\n")
    others = [line for line in rest.split("\n")[: None if whole else -1] if line.strip()]
    if others and _is_value(first) and all(map(_is_value, others[:100])):
        return JsonKind.LINES
    at = 0
    while (token := _TOKEN.match(head, at)) is not None:
        at = token.end()
    if whole:
        return JsonKind.ONE if not head[at:].strip() and _ends(head) else None
    cut = _CUT_TOKEN.match(head, at)
    if cut is None or cut.end() < len(head):
        return None
    return JsonKind.ONE if _ends(tail.decode("utf-8", "replace").replace("\x00", "")) else None


def extract_json(content: bytes, limits: ExtractionLimits) -> ExtractedText:
    """Row blocks with their JSON Pointers; long strings are paragraphs, names above them headings.

    A value on each line is read as JSON Lines.
    """
    text = decoded(content)
    writer = _Writer(Transcript(limits), limits)
    try:
        value = writer.decode(text)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise DocumentRejected(JSON_NOT_WELL_FORMED) from None
        return extract_json_lines(content, limits)
    writer.write(value, None)
    return writer.transcript.finish("The JSON holds no text.")


def extract_json_lines(content: bytes, limits: ExtractionLimits) -> ExtractedText:
    """As JSON, each line by itself; `row` counts the lines."""
    writer = _Writer(Transcript(limits), limits)
    rows = 0
    for number, line in enumerate(decoded(content).split("\n"), start=1):
        if not line.strip():
            continue
        rows += 1
        if rows > limits.rows_max:
            raise more_than(limits.rows_max, "lines")
        try:
            value = writer.decode(line)
        except json.JSONDecodeError:
            raise DocumentRejected(f"Line {number:,} is not well-formed JSON.") from None
        writer.write(value, number)
    return writer.transcript.finish("The JSON holds no text.")


def _is_value(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict | list)
    except (ValueError, RecursionError):
        return False


def _ends(text: str) -> bool:
    return text.rstrip().endswith(("}", "]"))


class _TooLarge(Exception):
    """A value does not fit into one row."""


class _Pointer(NamedTuple):
    """Stays with the nearest container where it would become too long, or cannot be written."""

    text: str = ""
    whole: bool = True

    def below(self, token: str | int) -> _Pointer:
        longer = below(self.text, token)
        if self.whole and len(longer) <= LENGTH_MAX and longer.isprintable():
            return _Pointer(longer)
        return _Pointer(self.text, whole=False)


class _Writer:
    def __init__(self, transcript: Transcript, limits: ExtractionLimits) -> None:
        self.transcript = transcript
        self._limits = limits
        self._decoder = json.JSONDecoder(
            parse_int=self._number, parse_float=self._number, parse_constant=str
        )
        self._row: int | None = None
        self._values = 0
        self._headings: list[tuple[str, _Pointer, int]] = []  # until something stands under them

    def decode(self, text: str) -> _Value:
        value: _Value = self._decoder.decode(text)
        return value

    def write(self, value: _Value, row: int | None) -> None:
        """A whole value, on this line of JSON Lines."""
        self._row = row
        self._write(value, _Pointer(), "", 1)

    def _number(self, digits: str) -> str:
        if len(digits) > self._limits.number_digits_max:
            raise more_than(self._limits.number_digits_max, "digits in one number")
        return digits

    def _write(self, value: _Value, pointer: _Pointer, label: str, depth: int) -> None:
        self._count(depth)
        if not isinstance(value, dict | list):
            self._add(BlockKind.PARAGRAPH, _text(value), pointer)
            return
        try:
            self._add(BlockKind.TABLE_ROW, " | ".join(_Row(value).parts), pointer)
        except _TooLarge:
            self._take_apart(value, pointer, label, depth)

    def _take_apart(
        self, value: list[_Value] | dict[str, _Value], pointer: _Pointer, label: str, depth: int
    ) -> None:
        """First what is short, several values in a row, under the pointer of what they are in.

        A row of one value, a long one, and what has members of its own have their own pointers;
        these come last and under headings, so that nothing stands under another's heading.
        """
        row: list[str] = []
        alone = pointer
        large: list[tuple[str | int, list[_Value] | dict[str, _Value]]] = []

        def end_row() -> None:
            at = alone if len(row) == 1 else pointer
            self._add(BlockKind.TABLE_ROW, " | ".join(row), at)
            row.clear()

        for token, member in _members(value):
            is_record = isinstance(token, int) and isinstance(member, dict)
            said = None if is_record else _said(member, token)
            if said is None and isinstance(member, dict | list):
                large.append((token, member))
                continue
            self._count(depth + 1)
            if row and (said is None or sum(map(len, row)) + len(said) > _ROW_CHARACTERS_MAX):
                end_row()
            if said:
                row.append(said)
                alone = pointer.below(token)
            elif said is None and not isinstance(member, dict | list):
                text = _labelled(_label(token), _text(member))
                self._add(BlockKind.PARAGRAPH, text, pointer.below(token))
        if row:
            end_row()
        for token, member in large:
            self._write_large(member, pointer.below(token), label, token, depth)

    def _write_large(
        self,
        value: list[_Value] | dict[str, _Value],
        pointer: _Pointer,
        label: str,
        token: str | int,
        depth: int,
    ) -> None:
        own = _label(token)
        if not own and _said(value, token) is None:
            own = f"{label} #{token + 1}".lstrip() if isinstance(token, int) else ""
        if own:
            self._headings.append((own, pointer, min(depth, _HEADING_LEVEL_MAX)))
        held = len(self._headings)
        self._write(value, pointer, own or label, depth + 1)
        if own and len(self._headings) == held:
            self._headings.pop()  # nothing stands under it

    def _add(self, kind: BlockKind, text: str, pointer: _Pointer) -> None:
        if not text or text.isspace():
            return
        for heading, above, level in self._headings:
            place = Place(pointer=above.text, row=self._row)
            self.transcript.add(BlockKind.HEADING, heading, level=level, place=place)
        self._headings.clear()
        self.transcript.add(kind, text, place=Place(pointer=pointer.text, row=self._row))

    def _count(self, depth: int) -> None:
        self._values += 1
        if self._values > self._limits.values_max:
            raise more_than(self._limits.values_max, "values")
        if depth > self._limits.nesting_max:
            raise deeper_than(self._limits.nesting_max)


class _Row:
    """What a value says on one line, as "label: text"; raises _TooLarge where it says too much.

    Looks at no more of the value than fits, so that looking at every level costs little.
    """

    def __init__(self, value: _Value, label: str = "") -> None:
        self.parts: list[str] = []
        self._characters = self._values = 0
        self._read(value, label)

    def _read(self, value: _Value, label: str) -> None:
        self._values += 1
        self._characters += len(label)
        if self._values > _ROW_VALUES_MAX or self._characters > _ROW_CHARACTERS_MAX:
            raise _TooLarge
        if isinstance(value, dict):
            for name, member in value.items():
                self._read(member, f"{label} {name}" if label else name)
        elif isinstance(value, list):
            self._say(label, ", ".join(self._items(value)))
        else:
            self._say(label, self._short(value))

    def _items(self, items: list[_Value]) -> Iterator[str]:
        for item in items:
            self._values += 1
            if isinstance(item, dict | list) or self._values > _ROW_VALUES_MAX:
                raise _TooLarge
            text = self._short(item)
            if text:
                yield text

    def _short(self, value: str | bool | None) -> str:
        text = _text(value)
        self._characters += len(text)
        if self._characters > _ROW_CHARACTERS_MAX or "\n" in text:
            raise _TooLarge
        return text

    def _say(self, label: str, text: str) -> None:
        if text and not text.isspace():
            self.parts.append(_labelled(label, text))


def _said(value: _Value, token: str | int) -> str | None:
    """A member on one line; None where it says too much for one."""
    try:
        return " | ".join(_Row(value, _label(token)).parts)
    except _TooLarge:
        return None


def _label(token: str | int) -> str:
    return token if isinstance(token, str) else ""


def _members(value: list[_Value] | dict[str, _Value]) -> Iterator[tuple[str | int, _Value]]:
    yield from value.items() if isinstance(value, dict) else enumerate(value)


def _labelled(label: str, text: str) -> str:
    return f"{label}: {text}" if label else text


def _text(value: str | bool | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
