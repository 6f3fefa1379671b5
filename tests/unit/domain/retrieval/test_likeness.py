"""Words that are like other words, from the surest step to the boldest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.retrieval.likeness import WORDS_MAX, Rung, like, place_in, spans_of

KNOWN = ["deposit", "lease", "kaution", "garantie", "notice", "押金", "ab"]
KNOWN += ["receiv", "separ", "weird", "bankkart"]
WORDS = st.lists(st.text("abcdeé押", min_size=1, max_size=12), max_size=20)
RUNGS = st.sampled_from([Rung.PREFIX, Rung.TYPO, Rung.SUBSTRING])


@pytest.mark.parametrize(
    ("rung", "asked", "found"),
    [
        (Rung.PREFIX, "depo", ["deposit"]),
        (Rung.PREFIX, "posit", []),
        (Rung.PREFIX, "d", []),
        (Rung.PREFIX, "押", ["押金"]),
        (Rung.TYPO, "押", []),
        (Rung.TYPO, "depozit", ["deposit"]),
        (Rung.TYPO, "depsoit", ["deposit"]),
        (Rung.TYPO, "kautionen", ["kaution"]),
        (Rung.TYPO, "elephant", []),
        (Rung.TYPO, "recieve", ["receiv"]),
        (Rung.TYPO, "seperate", ["separ"]),
        (Rung.TYPO, "wierd", ["weird"]),
        (Rung.TYPO, "liase", ["lease"]),
        (Rung.TYPO, "lese", ["lease"]),
        (Rung.TYPO, "notcie", ["notice"]),
        (Rung.SUBSTRING, "aranti", ["garantie"]),
        (Rung.SUBSTRING, "ti", []),
        (Rung.SUBSTRING, "karte", ["bankkart"]),
        (Rung.SUBSTRING, "karten", ["bankkart"]),
        (Rung.SUBSTRING, "kartell", []),
    ],
)
def test_a_step_finds_what_it_is_for(rung: Rung, asked: str, found: list[str]) -> None:
    assert like(rung, [asked], KNOWN) == found


def test_the_likest_comes_first() -> None:
    assert like(Rung.PREFIX, ["lea"], ["leathery", "lease", "leaf"]) == [
        "leaf",
        "lease",
        "leathery",
    ]


@given(RUNGS, WORDS, WORDS)
def test_only_known_words_are_found_each_once_and_not_too_many(
    rung: Rung, asked: list[str], known: list[str]
) -> None:
    found = like(rung, asked, dict.fromkeys(known))
    assert set(found) <= set(known)
    assert len(found) == len(set(found)) <= WORDS_MAX


@given(WORDS.filter(bool), WORDS, RUNGS)
def test_the_order_in_which_words_are_known_changes_nothing(
    asked: list[str], known: list[str], rung: Rung
) -> None:
    assert like(rung, asked, known) == like(rung, asked, list(reversed(known)))


@pytest.mark.parametrize(
    ("rung", "asked", "spans"),
    [
        (Rung.PREFIX, ["zim", "zimmer", "q", "lease"], [("lease", "leasf"), ("zim", "zin")]),
        (Rung.PREFIX, ["aa\ud7ff"], [("aa\ud7ff", "aa\ue000")]),
        (
            Rung.TYPO,
            ["lease"],
            [("e", "f"), ("l", "m"), (":", "e"), ("f", "l"), ("m", "\U0010ffff"), ("0", ":")],
        ),
        (Rung.TYPO, ["lea"], []),
        (Rung.SUBSTRING, ["ease"], [(":", "\U0010ffff"), ("0", ":")]),
        (Rung.SUBSTRING, ["2103"], [("0", ":"), (":", "\U0010ffff")]),
    ],
)
def test_words_are_looked_for_where_they_may_lie_the_likeliest_places_first(
    rung: Rung, asked: list[str], spans: list[tuple[str, str]]
) -> None:
    assert spans_of(rung, asked) == spans


MANY = st.lists(st.text("019:az押\ud7ff", min_size=1, max_size=6), max_size=8)


@given(RUNGS, MANY, MANY)
def test_whatever_is_like_a_word_lies_in_one_place(
    rung: Rung, asked: list[str], known: list[str]
) -> None:
    spans = spans_of(rung, asked)
    place_of = place_in(spans)
    for word in known:
        places = [place for place, (low, high) in enumerate(spans) if low <= word < high]
        assert places == ([] if place_of(word) is None else [place_of(word)])
        assert places or not like(rung, asked, [word])
