"""Every word of an answer belongs to a sentence, and every sentence to what it rests on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chat.answer import FRAMES, INTRODUCTION, Support, sentences_of
from domain.chat.citation import Citation
from entrypoints.verifier import answer as verifier

TEXTS = st.lists(
    st.sampled_from([*"word \n.…”“。ü(", "Word", "!?", " [e1]", "[e1, e2]", " (Title)"])
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    max_size=60,
).map("".join)
SPANS = st.lists(st.tuples(st.integers(0, 80), st.integers(1, 80)), max_size=6)


def citation(start: int, end: int, *, verified: bool = True) -> Citation:
    return Citation(
        excerpt_id="e1",
        document_id=None,
        version=None,
        start=None,
        end=None,
        quote="",
        answer_start=start,
        answer_end=end,
        verified=verified,
    )


@given(answer=TEXTS)
def test_sentences_hold_all_of_an_answer_but_white_space(answer: str) -> None:
    content, reached, between = answer.encode(), 0, b""
    for each in sentences_of(answer, []):
        assert reached <= each.start < each.end
        between += content[reached : each.start]
        words = content[each.start : each.end].decode()
        assert words == words.strip()
        reached = each.end
    assert not (between + content[reached:]).decode().strip()


@given(answer=TEXTS, spans=SPANS)
def test_a_sentence_rests_on_the_citations_that_overlap_it(
    answer: str, spans: list[tuple[int, int]]
) -> None:
    citations = [citation(start, start + length) for start, length in spans]
    for each in sentences_of(answer, citations):
        touched = set(range(each.start, each.end))
        assert list(each.citations) == [
            place
            for place, cited in enumerate(citations)
            if touched & set(range(cited.answer_start, cited.answer_end))
        ]


@pytest.mark.parametrize(
    ("answer", "sentences"),
    [
        ("One is here. Two is there too.", ["One is here. Two is there too."]),
        (f"{INTRODUCTION}\n\n“So it is.” (A, p. 3)", [INTRODUCTION, "“So it is.” (A, p. 3)"]),
        ("Yes. [e1] No. [e2][e3]", ["Yes. [e1]", "No. [e2][e3]"]),
        ("It costs approx. five. That is it.", ["It costs approx. five.", "That is it."]),
        ("第一句。第二句。", ["第一句。", "第二句。"]),
        ("- a point\n- another", ["- a point", "- another"]),
        ("", []),
    ],
)  # fmt: skip
def test_where_sentences_end(answer: str, sentences: list[str]) -> None:
    content = answer.encode()
    found = [content[each.start : each.end].decode() for each in sentences_of(answer, [])]
    assert found == sentences


def test_what_a_sentence_rests_on_is_named() -> None:
    answer = f"{INTRODUCTION}\nThis is what it says.\nThat is what it says not.\nThis rests on air."
    cited = [citation(46, 52), citation(70, 75, verified=False)]
    supports = [each.support for each in sentences_of(answer, cited)]
    assert supports == [Support.FRAME, Support.QUOTED, Support.UNVERIFIED, Support.NOTHING]


def test_the_verifier_knows_the_same_frames() -> None:
    assert verifier.FRAMES == FRAMES


def test_a_long_answer_without_an_end_is_cut_in_no_time() -> None:
    for answer in ("a" * 200_000, ". " * 100_000, "(" * 200_000, "x. [" * 50_000, "a." * 100_000):
        assert sum(each.end - each.start for each in sentences_of(answer, [])) > 0
