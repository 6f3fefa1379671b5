"""Weights are learned from some queries, and tested on others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.cli.evaluation.learning import (
    WEIGHTS,
    JudgedQuery,
    Leg,
    halves,
    learned,
    quality,
)

LEGS = st.builds(
    Leg,
    document=st.sampled_from(["a", "b", "c", "d"]),
    semantic=st.floats(0, 1),
    keyword=st.floats(0, 1),
)
QUERIES = st.dictionaries(
    st.integers(0, 99).map(str),
    st.builds(JudgedQuery, found=st.lists(LEGS, max_size=6), judged=st.just({"a": 1, "b": 0})),
    min_size=1,
    max_size=8,
)


def _where(better: str) -> dict[str, JudgedQuery]:
    """Queries whose answer one leg knows, and the other leg takes for another's."""
    right = Leg(document="a", **{"semantic": 0.1, "keyword": 0.1, better: 0.9})
    wrong = Leg(document="b", **{"semantic": 0.8, "keyword": 0.8, better: 0.2})
    return {str(name): JudgedQuery(found=[wrong, right], judged={"a": 1}) for name in range(9)}


def test_the_leg_that_knows_better_gets_more_weight() -> None:
    by_meaning, by_words = learned([_where("semantic")]), learned([_where("keyword")])
    assert by_meaning > 0.5 > by_words
    assert quality(_where("semantic"), by_meaning) == 1.0
    assert quality(_where("semantic"), by_words) == pytest.approx(0.63, abs=0.01)


def test_where_nothing_is_to_be_learned_both_count_alike() -> None:
    assert learned([{"q": JudgedQuery(found=[], judged={"a": 1})}]) == 0.5


@given(st.lists(QUERIES, min_size=1, max_size=3))
def test_no_other_weight_is_better_on_what_was_learned_from(
    collections: list[dict[str, JudgedQuery]],
) -> None:
    def mean(weight: float) -> float:
        return sum(quality(each, weight) for each in collections) / len(collections)

    best = learned(collections)
    assert all(mean(best) >= mean(weight) - 1e-4 for weight in WEIGHTS)


@given(QUERIES)
def test_no_query_is_both_learned_from_and_tested_on(queries: dict[str, JudgedQuery]) -> None:
    learn, test = halves(queries)
    assert not learn.keys() & test.keys()
    assert {**learn, **test} == queries
