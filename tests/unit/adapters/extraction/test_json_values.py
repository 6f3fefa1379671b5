"""JSON: rows that name their values, and pointers that lead back to them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.extraction.content_type import JSON, JSON_LINES, media_type_of
from adapters.extraction.formats import extract_any
from adapters.extraction.limits import ExtractionLimits
from domain.json_pointer import below, parse
from domain.retrieval.extracted_text import ExtractedText
from domain.retrieval.rejection import DocumentRejected


def _read(content: str | bytes, media_type: str = JSON, **limits: int) -> ExtractedText:
    raw = content.encode() if isinstance(content, str) else content
    return extract_any(raw, media_type, ExtractionLimits(**limits))


def _blocks(extracted: ExtractedText) -> list[tuple[str, str, str | None]]:
    return [
        (block.kind.value, extracted.text[block.start : block.end], block.place.pointer)
        for block in extracted.blocks
    ]


def test_small_objects_are_rows_and_larger_ones_sections() -> None:
    value = {
        "name": "Ada", "address": {"city": "London"}, "tags": ["a", "b"], "none": None, "no": {},
        "bio": "One.\nTwo.",
        "orders": [{"id": 1, "paid": True}, {"id": 2, "lines": [{"sku": "x"}, {"sku": "y"}]}],
    }  # fmt: skip
    assert _blocks(_read(json.dumps(value))) == [
        ("table_row", "name: Ada | address city: London | tags: a, b", ""),
        ("paragraph", "bio: One.\nTwo.", "/bio"),
        ("heading", "orders", "/orders"),
        ("table_row", "id: 1 | paid: true", "/orders/0"),
        ("heading", "orders #2", "/orders/1"),
        ("table_row", "id: 2", "/orders/1/id"),
        ("heading", "lines", "/orders/1/lines"),
        ("table_row", "sku: x", "/orders/1/lines/0"),
        ("table_row", "sku: y", "/orders/1/lines/1"),
    ]


def test_each_line_of_json_lines_is_counted() -> None:
    content = b'{"a": 1}\n\n{"a": {"b": "x"}}\n'
    assert media_type_of(content, content) == JSON_LINES
    for media_type in (JSON_LINES, JSON):
        extracted = _read(content, media_type)
        rows = [(block.place.row, block.place.pointer) for block in extracted.blocks]
        assert rows == [(1, ""), (3, "")]
        assert extracted.text == "a: 1\na b: x"


def test_numbers_stay_as_they_are_written() -> None:
    written = '{"a": 12345678901234567890.10, "b": 1e400, "c": -0}'
    assert _read(written).text == "a: 12345678901234567890.10 | b: 1e400 | c: -0"


@pytest.mark.parametrize(
    ("content", "limits", "reason"),
    [
        ("[" * 200 + "]" * 200, {"nesting_max": 50}, "more than 50 levels"),
        ('{"a":' * 100 + '[{"x":1}]' + "}" * 100, {"nesting_max": 50}, "more than 50 levels"),
        ("[" * 100_000 + "]" * 100_000, {}, "maximum recursion"),
        ("[" + "1" * 1_001 + "]", {}, "more than 1,000 digits in one number"),
        ("[" + "[[]]," * 9 + "[]]", {"values_max": 9}, "more than 9 values"),
        ('{"a": 1', {}, "not well-formed"),
        ('{"a": 1}\n{"a": 1\n', {}, "Line 2 is not well-formed"),
        ('{"a": 1}\n' * 3, {"rows_max": 2}, "more than 2 lines"),
        ("[{}, [], null]", {}, "no text"),
    ],
    ids=range(9),
)
def test_what_is_refused_has_a_reason(content: str, limits: dict[str, int], reason: str) -> None:
    with pytest.raises((DocumentRejected, RecursionError), match=reason):
        _read(content, **limits)


_SEEN = st.characters(codec="utf-8", categories=["L", "M", "N", "P", "S", "Zs"])
_NAMES = st.text(_SEEN, max_size=9)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(_SEEN, max_size=80),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(_NAMES, inner),
    max_leaves=40,
)


@given(st.lists(_VALUES, min_size=1, max_size=3) | st.dictionaries(_NAMES, _VALUES))
def test_every_pointer_leads_to_what_its_block_says(value: Any) -> None:
    content = json.dumps(value)
    assert media_type_of(content.encode(), content.encode()) == JSON
    try:
        extracted = _read(content)
    except DocumentRejected:
        assert not any(each.isalnum() for each in "".join(_said(value, names=False)))
        return
    for block in extracted.blocks:
        assert block.place.pointer is not None
        path = parse(block.place.pointer)
        found = value
        for token in path:
            found = found[int(token)] if isinstance(found, list) else found[token]
        known = "\n".join((*_said(found), *path, *(_said(value) if block.level else ())))
        said = extracted.text[block.start : block.end]
        words = re.sub("#[0-9]+", "", said) if block.level else said
        assert all(word in known for word in re.findall(r"[0-9A-Za-z]+", words))


def _said(value: Any, *, names: bool = True) -> list[str]:
    """Every value, and every name."""
    if isinstance(value, dict):
        said = [word for each in value.values() for word in _said(each, names=names)]
        return [*value, *said] if names else said
    if isinstance(value, list):
        return [word for each in value for word in _said(each, names=names)]
    return [value if isinstance(value, str) else "" if value is None else json.dumps(value)]


def test_a_pointer_that_would_be_too_long_names_what_is_around() -> None:
    value: Any = {"x": "said " * 200}
    for _ in range(6):
        value = {"k" * 120: value}
    *_, last = _blocks(_read(json.dumps(value)))
    assert last[1].startswith("x: said")
    assert last[2] == below("", "k" * 120) * 4
    unwritable = '{"a": {"\\ud800": {"b": "' + "x " * 400 + '"}}}'
    assert _blocks(_read(unwritable))[-1][2] == "/a"
