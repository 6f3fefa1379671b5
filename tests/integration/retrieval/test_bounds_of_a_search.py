"""What one search by words may cost: however long the question, however common its words."""

from __future__ import annotations

from adapters.postgres.passages import search_values
from adapters.postgres.vector_route import searching
from application.retrieval.passages import Candidates
from domain.identity import Action, Caller
from domain.retrieval.query import SearchMode, SearchQuery
from domain.retrieval.words import WORDS_ASKED_MAX
from tests.integration.retrieval.bm25 import bm25
from tests.integration.retrieval.library import Library
from tests.integration.retrieval.plans import nodes, search_plan

LONG = [f"q{number}z" for number in range(10_000)]


async def test_of_ten_thousand_words_the_first_are_searched_for(library: Library) -> None:
    asha = await library.person()
    early, late = LONG[WORDS_ASKED_MAX - 1], LONG[WORDS_ASKED_MAX]
    passages = [[early, late, "cedar"], [late, late], LONG[:40], ["cedar"]]
    await library.add_bare(asha, [" ".join(words) for words in passages])
    found = await _candidates(library, asha, " ".join(LONG))
    assert found.words == WORDS_ASKED_MAX
    ordinals = await _by_ordinal(library, asha, found)
    expected = bm25(dict(enumerate(passages)), LONG[:WORDS_ASKED_MAX])
    assert ordinals.keys() == expected.keys() == {0, 2}
    for ordinal, score in expected.items():
        assert abs(ordinals[ordinal] - score) < 1e-6


async def test_a_question_of_more_words_than_are_searched_for_says_so(library: Library) -> None:
    asha = await library.person()
    await library.add_bare(asha, [" ".join(LONG[:3])])
    for count, reasons in ((WORDS_ASKED_MAX, []), (WORDS_ASKED_MAX + 1, ["too_many_words"])):
        page = await library.search(asha, " ".join(LONG[:count]), mode=SearchMode.KEYWORD)
        assert [each.reason for each in page.degraded] == reasons


async def test_a_word_that_is_said_ten_thousand_times_is_looked_up_once(library: Library) -> None:
    asha = await library.person()
    await library.add_bare(asha, ["cedar drum"] * 8)
    reads = {
        said: await _postings_read(library, asha, "cedar " * said) for said in (1, 100, 10_000)
    }
    assert set(reads.values()) == {8}


async def test_a_word_in_every_passage_costs_a_posting_for_each_and_nothing_more(
    library: Library,
) -> None:
    asha, ben = await library.person(), await library.person()
    passages = [["cedar", f"q{number}z"] for number in range(300)]
    await library.add_bare(asha, [" ".join(words) for words in passages])
    await library.add_bare(ben, ["cedar"] * 300)
    assert await _postings_read(library, asha, "cedar q7z") == 301
    found = await _candidates(library, asha, "cedar q7z")
    assert len(found.keyword) == 100  # what leaves the database is bounded besides
    ordinals = await _by_ordinal(library, asha, found)
    assert max(ordinals, key=lambda ordinal: ordinals[ordinal]) == 7
    expected = bm25(dict(enumerate(passages)), ["cedar", "q7z"])
    assert all(abs(score - expected[ordinal]) < 1e-6 for ordinal, score in ordinals.items())


async def _candidates(library: Library, caller: Caller, words: str) -> Candidates:
    return await library.container.passages().candidates(
        caller,
        SearchQuery(text="a question that is as long as one may be"),
        Action.SEARCH,
        words=words,
        vector=None,
        model="none",
    )


async def _by_ordinal(library: Library, caller: Caller, found: Candidates) -> dict[int, float]:
    rows = await library.container.passages().sealed(caller, list(found.keyword))
    return {rows[passage].ordinal: score for passage, score in found.keyword.items()}


async def _postings_read(library: Library, caller: Caller, words: str) -> int:
    values = search_values(
        caller,
        SearchQuery(text="a question"),
        Action.SEARCH,
        words=words,
        vector=None,
        model="none",
        per_leg=100,
    )
    async with searching(library.engine, caller) as (connection, _):
        plan = await search_plan(connection, values)
    return sum(
        round(node["Actual Rows"] * node["Actual Loops"])
        + node.get("Rows Removed by Filter", 0) * node["Actual Loops"]
        for node in nodes(plan)
        if node.get("Relation Name") == "postings"
    )
