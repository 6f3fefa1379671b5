"""Words that are like other words, from the surest step to the boldest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.retrieval.likeness import WORDS_MAX, Rung, like

KNOWN = ["deposit", "lease", "kaution", "garantie", "notice", "押金", "ab"]
WORDS = st.lists(st.text("abcdeé押", min_size=1, max_size=12), max_size=20)
RUNGS = st.sampled_from([Rung.PREFIX, Rung.TYPO, Rung.SUBSTRING])


@pytest.mark.parametrize(
    ("rung", "asked", "found"),
    [
        (Rung.PREFIX, "depo", ["deposit"]),
        (Rung.PREFIX, "posit", []),
        (Rung.PREFIX, "d", []),
        (Rung.TYPO, "depozit", ["deposit"]),
        (Rung.TYPO, "depsoit", ["deposit"]),
        (Rung.TYPO, "kautionen", ["kaution"]),
        (Rung.TYPO, "elephant", []),
        (Rung.SUBSTRING, "aranti", ["garantie"]),
        (Rung.SUBSTRING, "ti", []),
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
