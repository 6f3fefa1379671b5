"""What features add to a ranking: nothing by default, a bounded step where somebody said so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.retrieval.features import FEATURE_WEIGHTS, NAMES, Features, is_feature, weighed

_features = st.builds(
    Features,
    length=st.none() | st.integers(0, 10**6),
    position=st.integers(0, 10**4),
    heading_depth=st.none() | st.integers(0, 30),
    age_days=st.none() | st.integers(-1, 10**5),
    language=st.none() | st.sampled_from(["en", "de", "zh-Hant"]),
    source=st.none() | st.sampled_from(["text/plain", "application/pdf"]),
    owner_weight=st.floats(0.25, 4),
    citations=st.integers(0, 10**6),
)
_names = st.sampled_from([*NAMES, "language:de", "source:application/pdf"])
_weights = st.dictionaries(_names, st.floats(-1, 1))
_scores = st.lists(st.floats(0, 1), min_size=1, max_size=20)


@given(_scores, st.data(), _weights)
def test_scores_stay_between_0_and_1_and_in_order(
    scores: list[float], data: st.DataObject, weights: dict[str, float]
) -> None:
    ranking = sorted(enumerate(scores), key=lambda each: (-each[1], each[0]))
    features = {key: data.draw(_features) for key, _ in ranking}
    after = weighed(ranking, features, weights)
    assert {key for key, _ in after} == {key for key, _ in ranking}
    assert all(-1e-9 <= score <= 1 + 1e-9 for _, score in after)
    assert after == sorted(after, key=lambda each: (-each[1], each[0]))


@given(_scores, st.data())
def test_by_default_nothing_moves_while_no_owner_said_anything(
    scores: list[float], data: st.DataObject
) -> None:
    ranking = sorted(enumerate(scores), key=lambda each: (-each[1], each[0]))
    said_nothing = _features.map(
        lambda each: Features(position=each.position, citations=each.citations)
    )
    features = {key: data.draw(said_nothing) for key, _ in ranking}
    assert weighed(ranking, features, FEATURE_WEIGHTS) == ranking


def test_twice_as_much_up_is_half_as_much_down() -> None:
    ranking = [(1, 0.5), (2, 0.5), (3, 0.5)]
    features = {1: Features(owner_weight=0.5), 2: Features(), 3: Features(owner_weight=2.0)}
    (third, high), (second, middle), (first, low) = weighed(ranking, features, FEATURE_WEIGHTS)
    assert (third, second, first) == (3, 2, 1)
    assert high - middle == pytest.approx(middle - low)


@pytest.mark.parametrize("name", [*NAMES, "language:de", "source:application/pdf"])
def test_what_there_is_can_be_given_a_weight(name: str) -> None:
    assert is_feature(name)


@pytest.mark.parametrize("name", ["", "language:", "source:", "wisdom", "Age", "language", "de"])
def test_what_there_is_not_cannot(name: str) -> None:
    assert not is_feature(name)
