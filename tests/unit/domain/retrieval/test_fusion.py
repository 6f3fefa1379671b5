"""Fusion keeps its laws for any two legs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.retrieval.fusion import fuse, with_feedback

SCORES = st.floats(-1e6, 1e6, allow_nan=False)
LEGS = st.dictionaries(st.integers(0, 30), SCORES, max_size=20)
WEIGHTS = st.floats(0, 1)


@given(semantic=LEGS, keyword=LEGS, weight=WEIGHTS)
def test_scores_lie_between_0_and_1_and_every_candidate_is_there_once(
    semantic: dict[int, float], keyword: dict[int, float], weight: float
) -> None:
    fused = fuse(semantic, keyword, semantic_weight=weight)
    assert {key for key, _ in fused} == semantic.keys() | keyword.keys()
    assert len(fused) == len(semantic.keys() | keyword.keys())
    assert all(0 <= score <= 1 for _, score in fused)


@given(semantic=LEGS, keyword=LEGS, weight=WEIGHTS)
def test_the_best_comes_first_and_equals_come_in_the_order_of_their_keys(
    semantic: dict[int, float], keyword: dict[int, float], weight: float
) -> None:
    fused = fuse(semantic, keyword, semantic_weight=weight)
    assert fused == sorted(fused, key=lambda item: (-item[1], item[0]))


@given(semantic=LEGS, keyword=LEGS, weight=WEIGHTS, chance=st.randoms())
def test_the_order_in_which_candidates_arrive_changes_nothing(
    semantic: dict[int, float], keyword: dict[int, float], weight: float, chance: object
) -> None:
    shuffled = []
    for leg in (semantic, keyword):
        items = list(leg.items())
        chance.shuffle(items)  # type: ignore[attr-defined]
        shuffled.append(dict(items))
    assert fuse(*shuffled, semantic_weight=weight) == fuse(
        semantic, keyword, semantic_weight=weight
    )


@given(
    semantic=LEGS.filter(bool), keyword=LEGS, weight=WEIGHTS, more=st.floats(0, 1e6), pick=st.data()
)
def test_what_a_leg_likes_better_never_falls(
    semantic: dict[int, float],
    keyword: dict[int, float],
    weight: float,
    more: float,
    pick: st.DataObject,
) -> None:
    key = pick.draw(st.sampled_from(sorted(semantic)))
    before = dict(fuse(semantic, keyword, semantic_weight=weight))
    raised = semantic | {key: semantic[key] + more}
    after = dict(fuse(raised, keyword, semantic_weight=weight))
    assert after[key] >= before[key] - 1e-9


@given(leg=LEGS, weight=WEIGHTS)
def test_a_leg_that_knows_nothing_has_no_say(leg: dict[int, float], weight: float) -> None:
    assert fuse(leg, {}, semantic_weight=weight) == fuse({}, leg, semantic_weight=weight)
    if leg:
        assert fuse(leg, {}, semantic_weight=weight)[0][1] == 1.0


@given(
    keys=st.sets(st.integers(0, 30), min_size=1),
    score=SCORES,
    words=st.dictionaries(st.integers(0, 30), st.integers(0, 1_000)),
)
def test_a_leg_without_differences_decides_nothing_among_its_own(
    keys: set[int], score: float, words: dict[int, int]
) -> None:
    keyword = {key: float(value) for key, value in words.items() if key in keys}
    with_constant = fuse(dict.fromkeys(keys, score), keyword)
    by_words = dict(fuse({}, keyword))
    ranks = [by_words.get(key, 0.0) for key, _ in with_constant]
    assert ranks == sorted(ranks, reverse=True)


def test_nothing_found_is_an_empty_ranking() -> None:
    assert fuse({}, {}) == []


def test_a_weight_beyond_the_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        fuse({1: 1.0}, {1: 1.0}, semantic_weight=1.5)


def test_the_weight_decides_between_meaning_and_words() -> None:
    by_meaning, by_words = {1: 0.9, 2: 0.1}, {1: 1.0, 2: 7.0}
    assert fuse(by_meaning, by_words, semantic_weight=0.9)[0] == (1, 0.9)
    assert fuse(by_meaning, by_words, semantic_weight=0.1)[0] == (2, 0.9)


@given(semantic=LEGS, keyword=LEGS, weight=WEIGHTS, unread=st.sets(st.integers(0, 30)))
def test_what_only_words_can_judge_is_judged_by_them_in_full(
    semantic: dict[int, float], keyword: dict[int, float], weight: float, unread: set[int]
) -> None:
    read = {key: score for key, score in semantic.items() if key not in unread}
    fused = dict(fuse(read, keyword, semantic_weight=weight, unread=unread))
    by_words = dict(fuse({}, keyword))
    for key in unread & keyword.keys():
        assert fused[key] == by_words[key]
    assert all(0 <= score <= 1 for score in fused.values())


@given(semantic=LEGS, closeness=LEGS, weight=WEIGHTS)
def test_feedback_adds_no_candidate_and_moves_none_that_it_does_not_know(
    semantic: dict[int, float], closeness: dict[int, float], weight: float
) -> None:
    moved = with_feedback(semantic, closeness, weight=weight)
    assert moved.keys() == semantic.keys()
    for key in semantic.keys() - closeness.keys():
        assert moved[key] == semantic[key]
    assert with_feedback(semantic, closeness, weight=0) == semantic


def test_what_is_close_to_the_best_hits_rises() -> None:
    semantic = {1: 0.9, 2: 0.5, 3: 0.5}
    moved = with_feedback(semantic, {1: 1.0, 2: 0.2, 3: 0.8}, weight=0.5)
    assert sorted(moved, key=lambda key: -moved[key]) == [1, 3, 2]
