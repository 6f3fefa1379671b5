"""Documents are ranked by their passages, each once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.retrieval.documents import best_of_each, spread

RANKINGS = st.lists(
    st.tuples(st.integers(0, 99), st.sampled_from("abcde"), st.floats(0, 1)), max_size=30
).map(lambda items: sorted(items, key=lambda item: -item[2]))


@given(RANKINGS)
def test_each_document_comes_once_with_its_best_passage(
    ranking: list[tuple[int, str, float]],
) -> None:
    found = best_of_each(ranking)
    assert [document for _, document, _ in found].count("a") <= 1
    assert {document for _, document, _ in found} == {document for _, document, _ in ranking}
    for passage, document, score in found:
        of_it = [(each, value) for each, name, value in ranking if name == document]
        assert passage == of_it[0][0]
        assert 0.9 * of_it[0][1] - 1e-9 <= score <= of_it[0][1] + 1e-9
    scores = [score for _, _, score in found]
    assert scores == sorted(scores, reverse=True)


def test_further_passages_decide_between_equals_and_not_between_others() -> None:
    ranking = [(1, "a", 0.8), (2, "b", 0.8), (3, "b", 0.7), (4, "c", 0.6)] + [(5, "c", 0.5)] * 9
    assert [document for _, document, _ in best_of_each(ranking)] == ["b", "a", "c"]
    assert best_of_each(ranking)[0] == (2, "b", pytest.approx(0.9 * (0.8 + 0.07)))


@given(RANKINGS)
def test_spread_has_every_passage_and_documents_as_they_are_ranked(
    ranking: list[tuple[int, str, float]],
) -> None:
    unique = [(number, document, score) for number, (_, document, score) in enumerate(ranking)]
    found = spread(unique)
    assert sorted(passage for passage, _, _ in found) == list(range(len(unique)))
    assert list(dict.fromkeys(document for _, document, _ in found)) == [
        document for _, document, _ in best_of_each(unique)
    ]
    scores = [score for _, _, score in found]
    assert scores == sorted(scores, reverse=True)


def test_a_further_passage_comes_after_another_document_that_says_something() -> None:
    ranking = [(1, "a", 1.0), (2, "a", 0.9), (3, "a", 0.8), (4, "b", 0.5), (5, "c", 0.05)]
    assert [passage for passage, _, _ in spread(ranking)] == [1, 4, 2, 5, 3]
