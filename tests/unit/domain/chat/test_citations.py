"""Citations are exact, or marked: never dropped, never invented."""

from __future__ import annotations

import re
from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.chat.citation import CITATIONS_MAX, marked, quoted
from domain.chat.excerpt import Excerpt
from domain.identity import DocumentId, ReleaseId, VersionRef
from domain.place import NOWHERE, Place

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


def excerpt(text: str, *, number: int = 1, start: int = 0) -> Excerpt:
    return Excerpt(
        id=f"e{number}",
        version=VersionRef(document_id=DocumentId(UUID(int=number)), version=1),
        start=start,
        end=start + len(text.encode()),
        title="",
        text=text,
        score=1.0,
        release_id=ReleaseId(UUID(int=9)),
        grant_id=None,
    )


@given(before=st.text(max_size=50), text=texts, cut=st.tuples(st.integers(0), st.integers(0)))
def test_a_quote_is_verified_exactly_when_its_bytes_stand_at_its_span(
    before: str, text: str, cut: tuple[int, int]
) -> None:
    start = len(before.encode("utf-8", "replace"))
    one = excerpt(text, start=start)
    a, b = sorted((cut[0] % len(text), cut[1] % len(text)))
    quote = text[a : b + 1]
    at = start + len(text[:a].encode())
    end = at + len(quote.encode())
    told = {"answer_start": 0, "answer_end": 1}
    true = quoted({"e1": one}, "e1", start=at, end=end, quote=quote, **told)
    assert true.verified
    assert one.text.encode()[true.start - start : true.end - start] == quote.encode()  # type: ignore[operator]
    for wrong in (
        quoted({"e1": one}, "e1", start=at, end=end, quote=quote + "x", **told),
        quoted({"e1": one}, "e1", start=at, end=end + 1, quote=quote, **told),
        quoted({"e1": one}, "e1", start=at - 1, end=end, quote=quote, **told),
        quoted({"e1": one}, "e1", start=end, end=at, quote=quote, **told),
        quoted({"e1": one}, "e2", start=at, end=end, quote=quote, **told),
    ):
        assert not wrong.verified
        assert wrong.quote


@given(
    answer=st.lists(
        st.sampled_from(
            ["Cats sleep. ", "“Cats sleep” ", '"all day". ', "[e1]", "[e2]", "[e1, e9]", "ä ",
             "\n", "[e", "] ", "[1] ", "Dogs bark! "]
        ),
        max_size=30,
    ).map("".join)
)  # fmt: skip
def test_every_marker_becomes_a_citation_of_words_that_the_answer_has(answer: str) -> None:
    excerpts = {"e1": excerpt("Cats sleep all day."), "e2": excerpt("Dogs bark!", number=2)}
    found = list(marked(answer, excerpts))
    markers = re.findall(r"\[e\d+(?:, e\d+)*\]", answer)
    assert [each.excerpt_id for each in found] == re.findall(r"e\d+", "".join(markers))
    for each in found:
        assert answer.encode()[each.answer_start : each.answer_end].decode() == each.quote
        one = excerpts.get(each.excerpt_id)
        if one is None:
            assert (each.document_id, each.start, each.verified) == (None, None, False)
        elif each.verified:
            assert one.text.encode()[each.start : each.end].decode() == each.quote
        else:
            assert not each.quote or each.quote not in one.text


def test_a_marker_speaks_for_the_quotation_before_it_else_for_its_sentence() -> None:
    excerpts = {"e1": excerpt("The deposit is £500, payable by 3 May. Cats are allowed.")}
    answer = "It says “payable by 3 May” [e1]. Cats are allowed. [e1][e2] Dogs are not [e1]."
    found = [(each.excerpt_id, each.quote, each.verified) for each in marked(answer, excerpts)]
    assert found == [
        ("e1", "payable by 3 May", True),
        ("e1", "Cats are allowed.", True),
        ("e2", "Cats are allowed.", False),
        ("e1", "Dogs are not", False),
    ]


def test_markers_are_bounded_in_number_and_in_time() -> None:
    answer = "“" * 50_000 + "[e1]" * 10_000
    assert len(list(marked(answer, {}))) == CITATIONS_MAX


def test_a_citation_names_the_place_where_its_quote_begins() -> None:
    rows = ((0, Place(sheet="Prices", row=4)), (6, Place(sheet="Prices", row=5)))
    one = replace(excerpt("a: 1é\nb: 2", start=10), places=rows)
    told = {"answer_start": 0, "answer_end": 1}
    first = quoted({"e1": one}, "e1", start=10, end=14, quote="a: 1", **told)
    second = quoted({"e1": one}, "e1", start=17, end=21, quote="b: 2", **told)
    assert (first.verified, first.place.row) == (True, 4)
    assert (second.verified, second.place) == (True, Place(sheet="Prices", row=5))
    unverified = quoted({"e1": one}, "e1", start=17, end=21, quote="c: 3", **told)
    assert (unverified.verified, unverified.place.row) == (False, 4)
    assert quoted({}, "e1", start=0, end=1, quote="x", **told).place == NOWHERE
