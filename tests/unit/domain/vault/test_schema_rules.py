"""What a schema of records may say, and which fields it lets into the index."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.json_pointer import Json, pointers_of
from domain.vault.schema import SchemaNameNotUsable, assert_name
from domain.vault.schema_marks import marked_leaves
from domain.vault.schema_rules import DIALECT, SUBSCHEMAS_MAX, faults_in


def blamed(**said: Any) -> list[str]:
    return [fault.pointer for fault in faults_in({"type": "object", **said})]


def searchable(record: Json, **said: Any) -> list[str]:
    schema = {"type": "object", **said}
    assert faults_in(schema) == []
    return [leaf.pointer for leaf in marked_leaves(schema, record) if leaf.searchable]


@pytest.mark.parametrize("name", ["a", "patient-2", "x_y", "a" * 64])
def test_a_name_is_short_and_plain(name: str) -> None:
    assert_name(name)


@pytest.mark.parametrize("name", ["", "A", "2a", "a b", "a/b", "ä", "a" * 65, "a\n", "a\x00"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(SchemaNameNotUsable):
        assert_name(name)


def test_a_record_is_an_object_in_the_one_dialect() -> None:
    assert [fault.pointer for fault in faults_in({})] == ["/type"]
    assert blamed(type="array") == ["/type"]
    assert blamed(**{"$schema": DIALECT, "$id": "https://example.org/patient"}) == []
    assert blamed(**{"$schema": "http://json-schema.org/draft-07/schema#"}) == ["/$schema"]


def test_keywords_that_do_not_exist_are_named_wherever_they_stand() -> None:
    assert blamed(requierd=["a"]) == ["/requierd"]
    assert blamed(properties={"a/b": {"items": {"minlength": 1}}}) == [
        "/properties/a~1b/items/minlength"
    ]
    assert blamed(allOf=[{}, {"if": {"nope": 1}}]) == ["/allOf/1/if/nope"]
    assert blamed(properties={"nope": {"x-mine": 1}}, examples=[{"nope": 1}]) == []
    assert blamed(properties={"a": {"$id": "x", "$schema": DIALECT}}) == [
        "/properties/a/$id", "/properties/a/$schema",
    ]  # fmt: skip
    assert blamed(**{"$dynamicRef": "#a", "$anchor": "a"}) == ["/$dynamicRef", "/$anchor"]


@pytest.mark.parametrize(
    "reference",
    ["https://example.org/x", "other", "#a", "#/$defs/nope", "#/properties", "#/type", "#/$defs/%",
     "//x", "#/$defs/~2", 7, None],
)  # fmt: skip
def test_a_schema_refers_to_nothing_but_its_own_parts(reference: Any) -> None:
    assert blamed(**{"$defs": {"a": {}}, "properties": {"b": {"$ref": reference}}}) == (
        [] if reference is None else ["/properties/b/$ref"]
    )


def test_its_own_parts_are_found_whatever_they_are_called() -> None:
    named = {"a/b": {}, "m~n": {}, "50%": {}}
    for reference in ("#", "#/$defs/a~1b", "#/$defs/m~0n", "#/$defs/50%25", "#/allOf/0"):
        assert blamed(**{"$defs": named, "allOf": [{}], "items": {"$ref": reference}}) == []


def test_a_schema_has_a_bounded_number_of_parts() -> None:
    assert len(blamed(allOf=[{}] * SUBSCHEMAS_MAX)) == 1
    assert blamed(allOf=[{}] * (SUBSCHEMAS_MAX - 1)) == []


def test_marks_are_true_or_false_and_do_not_contradict_each_other() -> None:
    assert blamed(properties={"a": {"x-searchable": "no"}}) == ["/properties/a/x-searchable"]
    assert blamed(**{"x-sensitive": 1}) == ["/x-sensitive"]
    assert blamed(**{"x-sensitive": True, "x-searchable": True}) == ["/x-searchable"]


def test_text_is_searchable_unless_it_is_marked_and_the_rest_where_it_is() -> None:
    record: Json = {"name": "Asha", "age": 7, "id": "secret", "code": 12, "notes": ["a", 1]}
    assert searchable(record) == ["/name", "/id", "/notes/0"]
    assert searchable(
        record,
        properties={
            "id": {"x-searchable": False},
            "code": {"x-searchable": True},
            "notes": {"x-sensitive": True},
        },
    ) == ["/name", "/code"]


def test_a_mark_holds_for_everything_below_it() -> None:
    record: Json = {"home": {"city": "Wien", "zip": 1010, "door": {"code": "9"}}}
    home: Any = {"x-searchable": True, "properties": {"door": {"x-sensitive": True}}}
    assert searchable(record, properties={"home": home}) == ["/home/city", "/home/zip"]
    kept_out = {"x-searchable": False, "properties": {"city": {"x-searchable": True}}}
    assert searchable(record, properties={"home": kept_out}) == []


@pytest.mark.parametrize(
    "said",
    [
        {"properties": {"a": {"$ref": "#/$defs/s"}}},
        {"allOf": [{"properties": {"a": {"$ref": "#/$defs/s"}}}]},
        {"properties": {"a": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/s"}]}}},
        {"if": {}, "then": {"properties": {"a": {"$ref": "#/$defs/s"}}}},
        {"dependentSchemas": {"a": {"properties": {"a": {"$ref": "#/$defs/s"}}}}},
        {"patternProperties": {"^b": {"$ref": "#/$defs/s"}}},
        {"additionalProperties": {"$ref": "#/$defs/s"}},
        {"unevaluatedProperties": {"$ref": "#/$defs/s"}},
    ],
)
def test_whatever_may_apply_to_a_field_keeps_it_out(said: dict[str, Any]) -> None:
    marked = {"$defs": {"s": {"x-sensitive": True}}, **said}
    assert searchable({"a": "text"}, **marked) == []


@pytest.mark.parametrize("keyword", ["items", "contains", "unevaluatedItems"])
def test_the_members_of_a_list_are_marked_too(keyword: str) -> None:
    some = {"type": "array", keyword: {"x-sensitive": True}}
    assert searchable({"a": ["x", "y"]}, properties={"a": some}) == []
    first = {"type": "array", "prefixItems": [{"x-sensitive": True}]}
    assert searchable({"a": ["x", "y"]}, properties={"a": first}) == ["/a/1"]


def test_fields_are_called_what_their_schema_calls_them() -> None:
    said: Any = {
        "properties": {
            "home": {"title": "Address", "properties": {"zip": {"title": "Postcode"}}},
            "tags": {"items": {"type": "string"}},
        },
    }
    record: Json = {"home": {"zip": "1010", "city": "Wien"}, "tags": ["a"]}
    leaves = marked_leaves({"type": "object", **said}, record)
    assert [leaf.labels for leaf in leaves] == [
        ("Address", "Postcode"), ("Address", "city"), ("tags",),
    ]  # fmt: skip


def test_a_schema_that_refers_to_itself_is_read_to_the_end_of_the_record() -> None:
    said: Any = {"$defs": {"n": {"allOf": [{"$ref": "#/$defs/n"}], "x-sensitive": True}}}
    tree = {"properties": {"of": {"$ref": "#"}, "secret": {"$ref": "#/$defs/n"}}}
    record: Json = {"of": {"of": {"secret": "x", "name": "y"}}}
    assert searchable(record, **said, **tree) == ["/of/of/name"]


RECORDS: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.integers(0, 9) | st.text("ab", max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(RECORDS)
def test_every_leaf_is_read_once_and_in_order(record: Json) -> None:
    said: Any = {"additionalProperties": {"$ref": "#"}, "items": {"$ref": "#"}}
    leaves = [leaf.pointer for leaf in marked_leaves({"type": "object", **said}, record)]
    assert leaves == list(pointers_of(record))
