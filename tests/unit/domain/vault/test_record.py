"""Records: merge patches by the standard's own examples, and texts whose spans are exact."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.json_pointer import Json, leaves_of, parse, select
from domain.vault.record import RecordTooLarge, content_of, merged, searched_fields, stored_form

# RFC 7396, appendix A: original, patch, result.
APPENDIX_A: list[tuple[Json, Json, Json]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
records = st.dictionaries(st.text(max_size=8), json_values, max_size=5)


@pytest.mark.parametrize(("original", "patch", "result"), APPENDIX_A)
def test_patches_merge_as_the_standard_shows(original: Json, patch: Json, result: Json) -> None:
    assert merged(original, patch) == result


@given(records)
def test_what_is_stored_comes_back(content: dict[str, Json]) -> None:
    assert content_of(stored_form(content)) == content


def test_a_record_is_bounded() -> None:
    with pytest.raises(RecordTooLarge):
        stored_form({"a": "x" * 300_000})
    with pytest.raises(RecordTooLarge):
        stored_form({"a": [1] * 5_001})


def test_sensitive_fields_and_those_that_are_kept_out_are_not_searched() -> None:
    schema: dict[str, Json] = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "title": "Full name"},
            "pin": {"type": "string", "x-sensitive": True},
            "born": {"type": "string", "x-searchable": False},
            "age": {"type": "integer", "x-searchable": True},
            "weight": {"type": "number"},
        },
    }
    content: dict[str, Json] = {"name": "A", "pin": "1", "born": "2", "age": 3, "weight": 4}
    found = searched_fields(schema, content)
    assert [(each.pointer, each.labels, each.text) for each in found] == [
        ("/name", ("Full name",), "A"),
        ("/age", ("age",), "3"),
    ]


@given(records, st.data())
def test_a_selection_holds_what_was_granted_and_nothing_else(
    content: dict[str, Json], data: st.DataObject
) -> None:
    leaves = [(pointer, value) for pointer, value in leaves_of(content) if _is_usable(pointer)]
    granted = data.draw(st.sets(st.sampled_from([each for each, _ in leaves] or [""])))
    shown = dict(leaves_of(select(content, granted)))
    for pointer, value in leaves:
        if pointer in granted:
            assert shown[pointer] == value
        elif pointer in shown:
            assert shown[pointer] is None or pointer == ""  # a place in a list


def _is_usable(pointer: str) -> bool:
    return "\x00" not in pointer and len(pointer) <= 512 and len(parse(pointer)) <= 32
