"""When nothing has the words, words that are like them are found, and the answer says how."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.identity import Action
from domain.retrieval.likeness import Rung
from domain.retrieval.query import SearchMode, SearchQuery
from tests.integration.http.conftest import Serve, serve
from tests.integration.retrieval.library import Library
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
        ("the", "keyword", None),
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
        return
    assert answer["degraded"] == [{"step": step, "reason": "no_hit"} for step in passed]
    found = [item["document_id"] for item in answer["items"]]
    assert found == ([] if mode == "empty" else [str(ref.document_id)])
    named = {"keyword": "words", "empty": "none"}
    assert answer["explain"]["lexical"] == named.get(mode, mode)


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
    lexemes = await library.container.passages().lexemes(ben, *_asked_for_nothing_in_particular())
    assert "zimmermann" in lexemes
    assert "garden" in lexemes


async def test_of_very_many_words_some_are_looked_at(library: Library) -> None:
    asha = await library.person()
    await library.add(asha, " ".join(f"word{number:04}" for number in range(300)))
    passages: Any = replace(library.container.passages(), lexemes_max=50)  # type: ignore[type-var]
    assert len(await passages.lexemes(asha, *_asked_for_nothing_in_particular())) == 50


async def _answer(library: Library, caller: Any) -> tuple[Any, ...]:
    page = await library.search(caller, "zimermann", mode=SearchMode.KEYWORD)
    return list(page.hits), page.mode, page.rung, list(page.degraded), page.visible


def _asked_for_nothing_in_particular() -> tuple[Any, Any]:
    return SearchQuery(text="x"), Action.SEARCH
