"""Laws of what is read from requests: JSON, fields, cursors, tags, ranges, names."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from domain.errors import PreconditionFailed, Refusal
from entrypoints.http.etags import etag_of, expectation, is_unchanged
from entrypoints.http.fields import read_value
from entrypoints.http.json_text import parse_json
from entrypoints.http.pages import Cursors
from entrypoints.http.ranges import byte_range
from entrypoints.http.refusals import InvalidFields, PreconditionRequired, RangeNotSatisfiable
from entrypoints.http.request_ids import request_id_of, trace_parent_of
from entrypoints.http.sse import resume_after, sse_frame, sse_text_frame

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | texts
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(plain, st.booleans())
def test_all_json_that_we_accept_reads_as_it_was_written(value: Any, ascii_only: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=60))
@example(b"[" * 60)
@example(b'"\\ud800"')
@example(b"1" * 5000)
def test_bytes_are_read_or_refused_and_never_crash(text: bytes) -> None:
    try:
        value = parse_json(text)
    except Refusal:
        return
    assert json.loads(text) == value


def test_depth_is_counted_exactly() -> None:
    assert parse_json(b"[" * 32 + b"]" * 32)
    with pytest.raises(Refusal, match="32 levels"):
        parse_json(b"[" * 33 + b"]" * 33)


class Cat(Struct, tag="cat", forbid_unknown_fields=True):
    lives: int


class Dog(Struct, tag="dog", forbid_unknown_fields=True):
    name: str


class Owner(Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    pet_kind: Cat | Dog
    nick_names: Annotated[list[str], Meta(max_length=2)] = []
    ids: set[UUID] = set()


@pytest.mark.parametrize(
    ("value", "pointers"),
    [
        ({"petKind": {"type": "cat", "lives": "9"}}, ["/petKind/lives"]),
        ({"petKind": {"type": "dog", "lives": 9}}, ["/petKind/name", "/petKind/lives"]),
        ({"petKind": {"type": "cow"}}, ["/petKind/type"]),
        ({"petKind": {"type": "cat", "lives": 9}, "pet_kind": 1}, ["/pet_kind"]),
        ({"petKind": {"type": "cat", "lives": 9}, "nickNames": ["a", "b", "c"]}, ["/nickNames"]),
        ({"petKind": {"type": "cat", "lives": 9}, "ids": ["x", 1]}, ["/ids/0", "/ids/1"]),
        ({}, ["/petKind"]),
        ([], [""]),
    ],
)
def test_wrong_fields_are_found_in_every_shape(value: Any, pointers: list[str]) -> None:
    with pytest.raises(InvalidFields) as refused:
        read_value(value, Owner)
    assert [error.pointer for error in refused.value.errors] == pointers


@given(plain)
def test_whatever_msgspec_refuses_has_at_least_one_reason(value: Any) -> None:
    try:
        expected = msgspec.convert(value, Owner)
    except msgspec.ValidationError:
        with pytest.raises(InvalidFields) as refused:
            read_value(value, Owner)
        assert refused.value.errors
    else:
        assert read_value(value, Owner) == expected


def test_reasons_are_bounded_however_many_fields_are_wrong() -> None:
    with pytest.raises(InvalidFields) as refused:
        read_value({f"x{n}" * 200: n for n in range(1000)}, Owner)
    assert len(refused.value.errors) == 100
    assert max(len(error.pointer) for error in refused.value.errors) < 200


positions = st.lists(texts | st.integers(-(2**63), 2**63 - 1), max_size=4)


@given(positions, texts, st.uuids(), texts, st.uuids(), st.integers(0, 10_000))
def test_a_cursor_opens_only_where_it_was_made(
    position: list[str | int], of: str, tenant: UUID, other: str, stranger: UUID, at: int
) -> None:
    cursors = Cursors(secret=b"a" * 32)
    sealed = cursors.seal(position, of=of, tenant_id=tenant)
    assert cursors.open(sealed, of=of, tenant_id=tenant) == tuple(position)
    at %= len(sealed)
    changed = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
    attempts = [(cursors, changed, of, tenant), (cursors, sealed[:at], of, tenant)]
    attempts.append((Cursors(secret=b"b" * 32), sealed, of, tenant))
    attempts += [(cursors, sealed, other, tenant)] if other != of else []
    attempts += [(cursors, sealed, of, stranger)] if stranger != tenant else []
    for opener, cursor, name, who in attempts:
        with pytest.raises(InvalidFields):
            opener.open(cursor, of=name, tenant_id=who)


@given(st.text(max_size=100))
def test_no_made_up_cursor_opens(cursor: str) -> None:
    with pytest.raises(InvalidFields):
        Cursors(secret=b"a" * 32).open(cursor, of="x", tenant_id=UUID(int=1))


def test_the_secret_of_cursors_is_long_and_never_shown() -> None:
    assert "aaaa" not in repr(Cursors(secret=b"a" * 32))
    with pytest.raises(ValueError, match="32 bytes"):
        Cursors(secret=b"short")


@pytest.mark.parametrize(
    ("header", "current", "admitted"),
    [
        ('"7"', 7, True),
        ('"7"', 8, False),
        ('W/"7"', 7, False),
        ('"6", "7"', 7, True),
        ('"6","7" , ,', 7, True),
        ("*", 7, True),
        ('"07"', 7, False),
        ('"foreign"', 7, False),
    ],
)
def test_if_match_admits_the_versions_it_names(header: str, current: int, admitted: bool) -> None:
    expected = expectation(header)
    if admitted:
        expected.require(current)
    else:
        with pytest.raises(PreconditionFailed):
            expected.require(current)


def test_a_missing_or_malformed_if_match_is_told_apart() -> None:
    with pytest.raises(PreconditionRequired):
        expectation(None)
    assert expectation(None, required=False).versions is None
    for header in ("7", '"7', "", '"7"x', '"a b"', ", ,", '"1"' + ',"1"' * 40):
        with pytest.raises(InvalidFields):
            expectation(header)


def test_a_guarded_write_is_based_on_one_version() -> None:
    assert expectation('"7"').version == 7
    assert expectation("*").version is None
    for header in ('"7", "8"', 'W/"7"', '"x"'):
        with pytest.raises(PreconditionFailed):
            _ = expectation(header).version


@given(st.integers(1, 10**17))
def test_a_client_that_has_the_version_gets_304(version: int) -> None:
    assert is_unchanged(f'"x", W/{etag_of(version)}', etag_of(version))
    assert is_unchanged("*", etag_of(version))
    assert not is_unchanged(etag_of(version + 1), etag_of(version))
    assert not is_unchanged(None, etag_of(version))


@given(st.integers(1, 100), st.integers(0, 120), st.integers(0, 120))
def test_a_range_selects_what_slicing_does(length: int, first: int, last: int) -> None:
    content = bytes(range(length))
    for header, expected in (
        (f"bytes={first}-{last}", content[first : last + 1]),
        (f"bytes={first}-", content[first:]),
        (f"bytes=-{last}", content[max(0, length - last) :] if last else b""),
    ):
        if not expected and not (header == f"bytes={first}-{last}" and first > last):
            with pytest.raises(RangeNotSatisfiable) as refused:
                byte_range(header, length=length, etag='"1"')
            assert refused.value.headers() == {"Content-Range": f"bytes */{length}"}
            continue
        found = byte_range(header, length=length, etag='"1"')
        if found is None:
            assert first > last
            continue
        assert content[found.start : found.end] == expected
        assert found.content_range == f"bytes {found.start}-{found.end - 1}/{length}"


@pytest.mark.parametrize(
    "header",
    [None, "bytes=0-1,3-4", "lines=0-1", "bytes=a-b", "bytes=-", "bytes=5-2", "bytes=0-1 x", ""],
)
def test_other_ranges_are_ignored(header: str | None) -> None:
    assert byte_range(header, length=10, etag='"1"') is None


def test_a_range_of_another_version_is_ignored() -> None:
    assert byte_range("bytes=0-1", length=10, etag='"2"', if_range='"2"') is not None
    for if_range in ('"1"', 'W/"2"', "Sun, 22 Nov 2026 03:00:00 GMT"):
        assert byte_range("bytes=0-1", length=10, etag='"2"', if_range=if_range) is None


def test_nothing_of_empty_content_can_be_selected() -> None:
    for header in ("bytes=0-", "bytes=0-0", "bytes=-5"):
        with pytest.raises(RangeNotSatisfiable):
            byte_range(header, length=0, etag='"1"')


def scope(**headers: str) -> Any:
    named = [(k.replace("_", "-").encode(), v.encode("latin-1")) for k, v in headers.items()]
    return {"type": "http", "headers": named}


TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "valid"),
    [
        (f"00-{TRACE}-{PARENT}-01", True),
        (f"cc-{TRACE}-{PARENT}-01-what-comes-later", True),
        (f"00-{TRACE}-{PARENT}-01-more", False),
        (f"ff-{TRACE}-{PARENT}-01", False),
        (f"00-{'0' * 32}-{PARENT}-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (f"00-{TRACE.upper()}-{PARENT}-01", False),
        ("", False),
    ],
)
def test_trace_context_is_read_as_the_standard_says(header: str, valid: bool) -> None:
    assert (trace_parent_of(scope(traceparent=header)) is not None) == valid


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=140))
def test_a_request_id_is_always_one_visible_ascii_word(sent: str) -> None:
    given_id = request_id_of(scope(x_request_id=sent))
    assert 1 <= len(given_id) <= 128
    assert all("!" <= character <= "~" for character in given_id)


@given(plain, st.integers(0, 10**9))
def test_a_frame_holds_its_data_on_one_line(value: Any, number: int) -> None:
    frame = sse_frame(value, event="text_delta", number=number)
    assert frame.endswith(b"\n\n")
    assert frame.count(b"\n") == 4
    assert b"\r" not in frame
    assert json.loads(frame.split(b"data: ", 1)[1]) == value
    assert sse_frame(msgspec.Raw(b'{\n"a":\r\n1}')) == b'data: { "a":  1}\n\n'
    assert sse_text_frame(b"[DONE]") == b"data: [DONE]\n\n"


def test_a_frame_cannot_be_broken_by_its_event() -> None:
    with pytest.raises(ValueError, match="line breaks"):
        sse_frame(1, event="a\nid: 9")


def test_a_reader_resumes_after_what_it_says_it_has() -> None:
    assert resume_after("7", 3) == 7
    assert resume_after(None, 3) == 3
    assert resume_after("", None) == 0
    for header in ("x", "-1", "٣", "9" * 30):
        with pytest.raises(InvalidFields):
            resume_after(header, None)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Chosen(Struct, forbid_unknown_fields=True, kw_only=True):
    colour: Colour
    size: Literal["small", "large"]


def test_what_may_be_chosen_is_listed_and_what_was_sent_is_not_repeated() -> None:
    with pytest.raises(InvalidFields) as refused:
        read_value({"colour": "grey-canary", "size": "huge-canary"}, Chosen)
    said = {wrong.pointer: wrong.detail for wrong in refused.value.errors}
    assert said["/colour"].endswith("one of: red, blue")
    assert said["/size"].endswith("one of: small, large")
    assert "canary" not in str(said)
