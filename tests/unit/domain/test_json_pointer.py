"""Selecting by JSON Pointer: what is not named is not there, and what is named stays in place."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.json_pointer import (
    DEPTH_MAX,
    LENGTH_MAX,
    Json,
    PointerNotUsable,
    covers,
    leaves_of,
    parse,
    pointers_of,
    select,
    value_at,
)

NAMES = st.sampled_from(["a", "b", "", "0", "1", "~", "/", "~1", "a/b", "ä"])
SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
VALUES: st.SearchStrategy[Json] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def values_with_pointers(draw: st.DrawFn, sets: int = 1) -> tuple[Any, ...]:
    """A value, and sets of pointers to its leaves, to what is above them, and to nothing."""
    value = draw(VALUES)
    within = {""}
    for leaf in pointers_of(value):
        tokens = leaf.split("/")
        within |= {"/".join(tokens[: end + 1]) for end in range(len(tokens))}
    pointers = st.sampled_from(sorted(within)) | st.sampled_from(["/a", "/0", "/nope", "/a/-"])
    return (value, *(frozenset(draw(st.lists(pointers, max_size=4))) for _ in range(sets)))


@given(values_with_pointers())
def test_selecting_again_changes_nothing(given: tuple[Json, frozenset[str]]) -> None:
    value, pointers = given
    assert select(select(value, pointers), pointers) == select(value, pointers)


@given(values_with_pointers(sets=2))
def test_more_pointers_select_no_less(given: tuple[Json, frozenset[str], frozenset[str]]) -> None:
    value, some, more = given
    less, all_of_it = select(value, some), select(value, some | more)
    for pointer, leaf in leaves_of(less):
        if covers(some, pointer):
            assert value_at(all_of_it, pointer) == leaf


@given(values_with_pointers())
def test_nothing_outside_the_pointers_is_selected(given: tuple[Json, frozenset[str]]) -> None:
    value, pointers = given
    for pointer, leaf in leaves_of(select(value, pointers)):
        if covers(pointers, pointer):
            assert leaf == value_at(value, pointer)
        else:  # a place in a list that is not selected, or a whole without anything selected
            assert leaf in (None, {}, [])
            assert pointer == "" or pointer.rpartition("/")[2].isdecimal()


@given(values_with_pointers())
def test_a_pointer_names_the_same_in_a_selection(given: tuple[Json, frozenset[str]]) -> None:
    value, pointers = given
    selection = select(value, pointers)
    for pointer in pointers_of(value):
        if covers(pointers, pointer):
            assert value_at(selection, pointer) == value_at(value, pointer)


@given(VALUES)
def test_the_empty_pointer_selects_everything(value: Json) -> None:
    assert select(value, {""}) == value


@given(VALUES)
def test_all_leaves_together_are_everything(value: Json) -> None:
    leaves = list(pointers_of(value))
    assert len(leaves) == len(set(leaves))
    assert select(value, leaves) == value


@given(values_with_pointers(sets=2))
def test_what_covers_all_pointers_selects_all_that_they_do(
    given: tuple[Json, frozenset[str], frozenset[str]],
) -> None:
    value, granted, asked = given
    covered = {each for each in asked if covers(granted, each)}
    assert select(select(value, granted), covered) == select(value, covered)


def test_a_list_keeps_its_places_and_ends_after_the_last_selected_one() -> None:
    record: Json = {"phones": ["1", "2", "3"], "name": "Asha"}
    assert select(record, {"/phones/1"}) == {"phones": [None, "2"]}
    assert select(record, {"/phones/9", "/phones/01", "/phones/-", "/phones/²"}) == {}


def test_what_is_not_there_leaves_no_trace() -> None:
    assert select({"a": {"b": 1}}, {"/a/c", "/a/b/c", "/d"}) == {}
    assert select([1], {"/a"}) == []
    assert select("text", {"/0"}) is None


def test_a_name_that_begins_alike_is_another_name() -> None:
    assert covers({"/name"}, "/name/first")
    assert not covers({"/name"}, "/names")
    assert not covers({"/name/first"}, "/name")
    assert not covers(set(), "")
    assert covers({""}, "/anything")


@pytest.mark.parametrize(
    "pointer", ["name", "#/name", "/a~", "/a~2b", "/~", "/a\x00", "/" + "x" * LENGTH_MAX,
                "/a" * (DEPTH_MAX + 1)]
)  # fmt: skip
def test_what_is_no_pointer_is_refused_with_the_field(pointer: str) -> None:
    with pytest.raises(PointerNotUsable) as refused:
        parse(pointer, field="/fields/0")
    assert refused.value.field == "/fields/0"


def test_escapes_are_read_in_the_order_of_the_standard() -> None:
    assert parse("/a~1b/m~0n/~01") == ("a/b", "m~n", "~1")
    assert parse("") == ()
    assert parse("/") == ("",)
