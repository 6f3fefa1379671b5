"""Passages that were counted in different places are scored as if it had been one."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.retrieval.bm25 import Counted, Said, score

TERMS = (1, 2, 3)
passages = st.lists(
    st.builds(
        lambda frequencies, more: Said(
            length=sum(frequencies.values()) + more, frequencies=frequencies
        ),
        st.dictionaries(st.sampled_from(TERMS), st.integers(1, 9), max_size=3),
        st.integers(1, 200),
    ),
    min_size=1,
    max_size=12,
)
asked = st.dictionaries(st.sampled_from(TERMS), st.integers(1, 3), min_size=3, max_size=3)


def _counted(said: Mapping[int, Said]) -> Counted:
    return Counted(
        passages=len(said),
        lexemes=sum(each.length for each in said.values()),
        searchable=frozenset(TERMS),
        holding={term: sum(term in each.frequencies for each in said.values()) for term in TERMS},
    )


@given(passages, asked, st.data())
def test_it_makes_no_difference_where_passages_were_counted(
    given_: list[Said], often: dict[int, int], data: st.DataObject
) -> None:
    said = dict(enumerate(given_))
    elsewhere = data.draw(st.sets(st.sampled_from(sorted(said))))
    parts = [
        {key: each for key, each in said.items() if (key in elsewhere) is there}
        for there in (True, False)
    ]
    apart = score(said, often, [_counted(part) for part in parts])
    assert apart == score(said, often, [_counted(said)])


@given(passages, asked)
def test_scores_are_those_of_the_formula(given_: list[Said], often: dict[int, int]) -> None:
    said = dict(enumerate(given_))
    mean = sum(each.length for each in given_) / len(given_)
    for key, found in score(
        said, often, [_counted(said)], saturation=1.2, length_weight=0.5
    ).items():
        expected = 0.0
        for term, frequency in said[key].frequencies.items():
            holding = sum(term in each.frequencies for each in given_)
            rarity = math.log(1 + (len(given_) - holding + 0.5) / (holding + 0.5))
            norm = frequency + 1.2 * (0.5 + 0.5 * said[key].length / mean)
            expected += often[term] * rarity * frequency * 2.2 / norm
        assert found == pytest.approx(expected, abs=1e-8)
