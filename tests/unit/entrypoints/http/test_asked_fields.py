"""Which parts of a record are asked for, as a query parameter says it."""

from __future__ import annotations

import pytest

from domain.json_pointer import POINTERS_MAX, PointerNotUsable
from entrypoints.http.query import fields_of


def test_pointers_stand_between_commas() -> None:
    assert fields_of(None) is None
    assert fields_of("/name") == {"/name"}
    assert fields_of("/name,/address/city,/name") == {"/name", "/address/city"}


def test_a_comma_within_a_name_is_escaped_and_nothing_else_means_it() -> None:
    assert fields_of("/last~2 first,/b") == {"/last, first", "/b"}
    assert fields_of("/a~2,/b") == {"/a,", "/b"}
    assert fields_of("/a~02,/b~12") == {"/a~02", "/b~12"}  # a tilde, or a slash, and a digit


@pytest.mark.parametrize(
    "wrong",
    ["", ",", "/a,", ",/a", "/a,,/b", "name", "/a,b", "/~3", "/a/" + "x" * 511, "/a\x00"],
    ids=[
        "nothing",
        "comma",
        "end",
        "beginning",
        "between",
        "name",
        "part",
        "escape",
        "long",
        "nul",
    ],
)
def test_what_is_no_pointer_is_refused_with_the_parameter(wrong: str) -> None:
    with pytest.raises(PointerNotUsable) as refused:
        fields_of(wrong)
    assert refused.value.field == "/query/fields"


def test_there_are_so_many_at_most() -> None:
    assert len(fields_of(",".join(f"/{n}" for n in range(POINTERS_MAX))) or ()) == POINTERS_MAX
    with pytest.raises(PointerNotUsable):
        fields_of(",".join(f"/{n}" for n in range(POINTERS_MAX + 1)))
