"""Our measures are those of trec_eval, by ir-measures, ties included."""

from __future__ import annotations

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import RR, Measure, Qrel, R, ScoredDoc, nDCG

from entrypoints.cli.evaluation.measures import MEASURES, by_query, ranked

NAMES = [f"d{number}" for number in range(30)]
QUERIES = ["q1", "q2", "q3"]
# Few values, so that many scores are equal; trec_eval keeps them in four bytes.
SCORES = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0]) | st.floats(0, 1, width=32)
RUNS = st.dictionaries(
    st.sampled_from(QUERIES), st.dictionaries(st.sampled_from(NAMES), SCORES), max_size=3
)
JUDGEMENTS = st.dictionaries(
    st.sampled_from(QUERIES),
    st.dictionaries(st.sampled_from(NAMES), st.integers(-1, 3), min_size=1),
    min_size=1,
)
ORACLES: dict[str, Measure] = {
    "ndcg_at_10": nDCG @ 10,
    "recall_at_10": R @ 10,
    "recall_at_100": R @ 100,
    "mrr_at_10": RR,  # trec_eval has no cut-off; what lies below rank 10 is cut by hand
}


@pytest.mark.parametrize("name", MEASURES)
@settings(deadline=None)  # the oracle imports what it needs when it is first asked
@given(run=RUNS, judgements=JUDGEMENTS)
def test_a_measure_agrees_with_the_oracle_on_every_query(
    name: str, run: dict[str, dict[str, float]], judgements: dict[str, dict[str, int]]
) -> None:
    rankings = {query: ranked(scores) for query, scores in run.items()}
    ours = by_query(MEASURES[name], rankings, judgements)
    theirs = _oracle(ORACLES[name], run, judgements)
    if name == "mrr_at_10":
        theirs = {query: value if value >= 0.1 else 0.0 for query, value in theirs.items()}
    assert ours == pytest.approx(theirs, abs=1e-6)


@given(run=RUNS, judgements=JUDGEMENTS)
def test_the_mean_counts_a_query_without_an_answer_as_nothing(
    run: dict[str, dict[str, float]], judgements: dict[str, dict[str, int]]
) -> None:
    ours = by_query(
        MEASURES["ndcg_at_10"], {query: ranked(run[query]) for query in run}, judgements
    )
    scored = [ScoredDoc(query, name, score) for query in run for name, score in run[query].items()]
    theirs = ir_measures.calc_aggregate([nDCG @ 10], _qrels(judgements), scored)[nDCG @ 10]
    assert sum(ours.values()) / len(ours) == pytest.approx(theirs, abs=1e-6)


def _oracle(
    measure: Measure, run: dict[str, dict[str, float]], judgements: dict[str, dict[str, int]]
) -> dict[str, float]:
    scored = [ScoredDoc(query, name, score) for query in run for name, score in run[query].items()]
    found = dict.fromkeys(judgements, 0.0)
    for metric in ir_measures.iter_calc([measure], _qrels(judgements), scored):
        found[metric.query_id] = metric.value
    return found


def _qrels(judgements: dict[str, dict[str, int]]) -> list[Qrel]:
    return [
        Qrel(query, name, relevance)
        for query, judged in judgements.items()
        for name, relevance in judged.items()
    ]
