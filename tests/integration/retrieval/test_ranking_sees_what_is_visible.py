"""BM25 over visible rows: right by an independent computation, and blind to what is hidden."""

from __future__ import annotations

import random
from typing import Any

import pytest

from adapters.postgres.passages import PostgresPassages, search_values
from adapters.postgres.vector_route import searching
from domain.identity import Action, Caller, DocumentId, VersionRef
from domain.retrieval.query import SearchQuery
from tests.integration.retrieval.bm25 import bm25
from tests.integration.retrieval.library import EMBEDDER, Library
from tests.integration.retrieval.plans import nodes, search_plan

# Words that are their own stems, and no stop words.
WORDS = ["apricot", "bolt", "cedar", "drum", "ember", "flint", "grain", "hazel", "iron", "jar"]


async def test_scores_are_those_of_bm25_over_the_visible_passages(library: Library) -> None:
    chance = random.Random(20_261_122)
    for _ in range(12):
        asha, ben = await library.person(), await library.person()
        visible: dict[tuple[VersionRef, int], list[str]] = {}
        for owner in (asha, ben, ben):
            for shared in (True, False):
                passages = _passages(chance)
                ref = await library.add_bare(owner, [" ".join(words) for words in passages])
                if owner is ben and shared:
                    await library.share(ben, ref, asha)
                if owner is asha or shared:
                    visible |= {(ref, place): words for place, words in enumerate(passages)}
        wanted = chance.choices([*WORDS, "nowhere"], k=chance.randint(1, 6))
        found = await _candidates(library, asha, " ".join(wanted))
        oracle = bm25(visible, wanted)
        assert found.keys() == oracle.keys()
        for passage, score in oracle.items():
            assert found[passage] == pytest.approx(score, rel=1e-6, abs=1e-6)


async def test_what_is_hidden_changes_no_byte_of_an_answer(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    for number in range(4):
        await library.add(ben, f"The grain of cedar, part {number}. " + "An ember glows. " * number)
    shared = await library.add(asha, "Cedar grain is what the drum is made of.")
    await library.share(asha, shared, ben)
    before = [await _bytes(library, ben, words) for words in ("cedar grain", "ember drum iron")]
    for number in range(100):
        await library.add_bare(asha, [f"cedar grain ember drum {number}", "cedar " * 40])
    await library.run("ANALYZE")
    assert before == [
        await _bytes(library, ben, words) for words in ("cedar grain", "ember drum iron")
    ]


async def test_no_plan_reads_a_row_of_the_index_that_is_hidden(library: Library) -> None:
    asha, ben, stranger = [await library.person() for _ in range(3)]
    await library.add_bare(ben, ["cedar grain ember"] * 3)
    shared = await library.add_bare(asha, ["cedar grain drum"] * 2)
    await library.share(asha, shared, ben)
    for _ in range(20):
        await library.add_bare(asha, ["cedar grain"] * 5)
        await library.add_bare(stranger, ["cedar grain"] * 5)
    for fresh_statistics in (False, True):
        if fresh_statistics:
            await library.run("ANALYZE")
        plan = await _plan(library, ben, "cedar grain")
        scans = [node for node in nodes(plan) if node.get("Relation Name")]
        assert {"postings", "passage_vectors"} <= {node["Relation Name"] for node in scans}
        assert [node["Relation Name"] for node in scans if "Seq" in node["Node Type"]] == []
        # Fifteen postings are visible, and looked at at most once for each of two words; the
        # hidden ones number four hundred.
        assert _rows_read(scans, "postings") <= 15 * 2
        assert _rows_read(scans, "passage_vectors") == 5
        # One's own, the shared one, and those of the five hits once more.
        assert _rows_read(scans, "documents") <= 2 + 5


async def test_of_named_documents_alone_vectors_are_read(library: Library) -> None:
    """The same plan serves who names none: it may not lead through all that is one's own."""
    asha = await library.person()
    named = [await library.add_bare(asha, ["cedar grain"] * 3) for _ in range(2)]
    for _ in range(20):
        await library.add_bare(asha, ["cedar grain"] * 5)
    only = frozenset(ref.document_id for ref in named)
    scans = [
        node
        for node in nodes(await _plan(library, asha, "cedar grain", only))
        if node.get("Relation Name")
    ]
    assert _rows_read(scans, "passage_vectors") == 2 * 3
    # Each of them, and once more for each of six hits.
    assert _rows_read(scans, "documents") <= 2 + 6


async def test_equal_scores_come_in_an_order_that_lasts(library: Library) -> None:
    asha = await library.person()
    for _ in range(5):
        await library.add(asha, "Cedar grain, word for word the same.")
    answers = {await _bytes(library, asha, "cedar grain") for _ in range(3)}
    assert len(answers) == 1


def _passages(chance: random.Random) -> list[list[str]]:
    return [chance.choices(WORDS, k=chance.randint(1, 30)) for _ in range(chance.randint(0, 4))]


async def _candidates(
    library: Library, caller: Caller, words: str
) -> dict[tuple[VersionRef, int], float]:
    passages: PostgresPassages = library.container.passages()  # type: ignore[assignment]
    found = await passages.candidates(
        caller, SearchQuery(text=words), Action.SEARCH, words=words, vector=None, model="none"
    )
    rows = await passages.sealed(caller, list(found.keyword))
    return {
        (rows[passage].version, rows[passage].ordinal): score
        for passage, score in found.keyword.items()
    }


async def _bytes(library: Library, caller: Caller, words: str) -> str:
    page = await library.search(caller, words, limit=50)
    hits = [(hit.passage, hit.score, hit.grant_id) for hit in page.hits]
    return repr((hits, page.mode, page.degraded))


async def _plan(
    library: Library, caller: Caller, words: str, only: frozenset[DocumentId] | None = None
) -> dict[str, Any]:
    values = search_values(
        caller,
        SearchQuery(text=words, document_ids=only),
        Action.SEARCH,
        words=words,
        vector=await EMBEDDER.embed_query(words),
        model=EMBEDDER.model,
        per_leg=100,
    )
    async with searching(library.engine, caller) as (connection, _):
        return await search_plan(connection, values)


def _rows_read(scans: list[dict[str, Any]], table: str) -> float:
    """Those that a filter threw away were read as well."""
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in scans
        if node["Relation Name"] == table
    )
