"""When nothing has the words, words that are like them are found, and the answer says how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from adapters.postgres.passages import visible_values
from adapters.postgres.vector_route import searching
from application.retrieval.passages import Passages
from domain.identity import Action, Caller
from domain.retrieval.likeness import Rung, Span, spans_of
from domain.retrieval.query import SearchMode, SearchQuery
from tests.integration.http.conftest import Serve, serve
from tests.integration.retrieval.library import Library
from tests.integration.retrieval.plans import nodes, plan_of
from tests.integration.retrieval.test_ranking_sees_what_is_visible import _rows_read
from tests.integration.retrieval.test_search_over_http import _post

__all__ = ["serve"]  # a fixture

TEXT = "The deposit is kept by Zimmermann until the lighthousekeeper returns the résumé."
STEPS = ["keyword", "prefix", "typo", "substring"]


@pytest.mark.parametrize(
    ("asked", "mode", "passed"),
    [
        ("deposit", "keyword", []),
        ("resume", "keyword", []),
        ("zimmer", "prefix", STEPS[:1]),
        ("zimermann", "typo", STEPS[:2]),
        ("housekeep", "substring", STEPS[:3]),
        ("elephants", "empty", STEPS),
        ("the", "empty", None),
        ("🙂", "empty", None),
        ("?!", "empty", None),
    ],
)
async def test_every_step_is_reached_and_named(
    library: Library, serve: Serve, asked: str, mode: str, passed: list[str] | None
) -> None:
    asha = await library.person()
    ref = await library.add(asha, TEXT)
    await library.add(asha, "Something else altogether: a garden, with a bench.")
    body = {"query": asked, "mode": "keyword", "explain": True}
    answer = (await _post(library, serve, asha, body)).json()
    assert answer["mode"] == mode
    if passed is None:
        assert answer["degraded"] == [{"step": "keyword", "reason": "no_searchable_words"}]
        assert answer["items"] == []
        return
    assert answer["degraded"] == [{"step": step, "reason": "no_hit"} for step in passed]
    found = [item["document_id"] for item in answer["items"]]
    assert found == ([] if mode == "empty" else [str(ref.document_id)])
    named = {"keyword": "words", "empty": "none"}
    assert answer["explain"]["lexical"] == named.get(mode, mode)


@pytest.mark.parametrize("mode", list(SearchMode))
async def test_who_has_no_documents_is_told_that_nothing_was_found(
    library: Library, serve: Serve, mode: SearchMode
) -> None:
    asha = await library.person()
    answer = await _post(library, serve, asha, {"query": "deposit", "mode": mode})
    assert (answer.json()["items"], answer.json()["mode"]) == ([], "empty")


async def test_a_search_by_meaning_too_stays_what_it_is_and_says_what_failed(
    library: Library,
) -> None:
    asha = await library.person()
    await library.add(asha, TEXT)
    page = await library.search(asha, "zimermann")
    assert (page.mode, page.rung) == (SearchMode.HYBRID, Rung.TYPO)
    assert page.hits[0].keyword is not None
    nothing = await library.search(asha, "elephants")
    assert (nothing.mode, nothing.rung) == (SearchMode.HYBRID, Rung.NONE)
    assert [each.step for each in nothing.degraded] == STEPS


async def test_words_of_others_are_no_help_and_words_that_were_shared_are(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    await library.add(ben, "A garden, with a bench.")
    hidden = await library.add(asha, TEXT)
    before = await _answer(library, ben)
    assert before[0] == []
    await library.add(asha, "Zimmermann again.")
    assert await _answer(library, ben) == before
    await library.share(asha, hidden, ben)
    page = await library.search(ben, "zimermann", mode=SearchMode.KEYWORD)
    assert [hit.passage.version for hit in page.hits] == [hidden]
    known = await _known(library.container.passages(), ben)
    assert {"zimmermann", "garden"} <= set(known)


@pytest.mark.parametrize(
    ("asked", "rung"),
    [
        ("zimmer", "prefix"),
        ("zimermann", "typo"),
        ("izmmermann", "typo"),
        ("housekeep", "substring"),
    ],
)
async def test_more_numbers_than_are_looked_at_are_not_in_the_way(
    library: Library, asked: str, rung: str
) -> None:
    asha, ben = await library.person(), await library.person()
    ref = await library.add(asha, TEXT)
    await library.share(asha, ref, ben)
    numbers = [
        " ".join(map(str, range(part, part + 3_000))) for part in range(100_000, 121_000, 3_000)
    ]
    await library.add_bare(asha, numbers)
    await library.add_bare(ben, ["a garden"])
    own = await library.search(asha, asked, mode=SearchMode.KEYWORD)
    assert (own.rung, [hit.passage.version for hit in own.hits]) == (rung, [ref])
    shared = await library.search(ben, asked, mode=SearchMode.KEYWORD)
    assert (shared.rung, [hit.passage.version for hit in shared.hits]) == (rung, [ref])


async def test_a_step_that_did_not_look_at_every_word_says_so(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    words = await library.add_bare(asha, [" ".join(f"word{number:04}" for number in range(300))])
    await library.share(asha, words, ben)
    await library.add_bare(ben, ["a garden"])
    for caller, bound, asked, rung, reasons in (
        (
            asha,
            {"lexemes_max": 50},
            "elephants",
            "none",
            [*["no_hit"] * 2, *["too_many_words"] * 2],
        ),
        (asha, {"lexemes_max": 50}, "word029", "prefix", ["no_hit"]),
        (ben, {"postings_max": 50}, "elephants", "none", ["no_hit", *["too_many_words"] * 3]),
    ):
        passages: Any = replace(library.container.passages(), **bound)  # type: ignore[type-var]
        search: Any = replace(library.container.search(), passages=passages)
        query = SearchQuery(text=asked, mode=SearchMode.KEYWORD)
        page = await search(caller=caller, query=query)
        assert (page.rung, [each.reason for each in page.degraded]) == (rung, reasons)
        assert len(await _known(passages, caller)) < 60


@pytest.mark.parametrize("rung", [Rung.PREFIX, Rung.TYPO, Rung.SUBSTRING])
async def test_no_step_reads_a_word_that_is_hidden_and_the_first_reads_what_begins_alike(
    library: Library, rung: Rung
) -> None:
    asha, ben = await library.person(), await library.person()
    numbers = [" ".join(map(str, range(1_000, 1_400)))]
    await library.add_bare(ben, ["zimmer zimmermann garden", *numbers])
    await library.share(asha, await library.add_bare(asha, ["zimmerei bench"]), ben)
    for _ in range(5):
        await library.add_bare(asha, ["zimmert zimmern hidden", *numbers])
    for fresh_statistics in (False, True):
        if fresh_statistics:
            await library.run("ANALYZE")
        scans = await _postings_scanned(library, ben, spans_of(rung, ["zimme"]))
        assert scans
        assert not any("Seq" in node["Node Type"] for node in scans)
        # One look-up for each of the own words; both of the shared document; and rounding.
        # The hidden ones number two thousand.
        own = 2 if rung is Rung.PREFIX else 403
        assert own <= _rows_read(scans, "postings") <= own + 2 + 5


async def _postings_scanned(
    library: Library, caller: Caller, spans: Sequence[Span]
) -> list[dict[str, Any]]:
    values = visible_values(caller, SearchQuery(text="x"), Action.SEARCH) | {
        "lows": [low for low, _ in spans],
        "highs": [high for _, high in spans],
        "lexemes_max": 1_000,
        "postings_max": 1_000,
    }
    async with searching(library.engine, caller) as (connection, _):
        plan = await plan_of("visible_lexemes", connection, values)
    return [node for node in nodes(plan) if node.get("Relation Name") == "postings"]


async def test_words_of_documents_that_were_not_named_are_no_help(library: Library) -> None:
    asha = await library.person()
    ref = await library.add(asha, TEXT)
    await library.add_bare(asha, [" ".join(f"zimmer{number:02}" for number in range(99))])
    named = frozenset({ref.document_id})
    for asked in ("zimmer", "zimme"):
        page = await library.search(asha, asked, mode=SearchMode.KEYWORD, document_ids=named)
        assert [hit.passage.version for hit in page.hits] == [ref]


async def _answer(library: Library, caller: Any) -> tuple[Any, ...]:
    page = await library.search(caller, "zimermann", mode=SearchMode.KEYWORD)
    return list(page.hits), page.mode, page.rung, list(page.degraded), page.visible


async def _known(passages: Passages, caller: Any) -> Sequence[str]:
    spans = spans_of(Rung.SUBSTRING, ["nothing in particular"])
    return (await passages.lexemes(caller, SearchQuery(text="x"), Action.SEARCH, spans)).lexemes
