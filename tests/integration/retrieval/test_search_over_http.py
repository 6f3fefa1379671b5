"""POST /v1/search over a real server."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from litestar.di import Provide
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from adapters.postgres.passages import PostgresPassages
from adapters.postgres.vector_route import VectorRoute
from application.retrieval.search import Search
from domain.identity import Caller
from domain.retrieval.query import DOCUMENTS_MAX, TEXT_CHARACTERS_MAX
from entrypoints.http.search import SearchController
from tests.integration.http.conftest import Serve, serve
from tests.integration.retrieval.library import Library

__all__ = ["serve"]  # a fixture

LEASE = "The lease of the flat ends in March. Notice is due three months before."


class _Is(ASGIMiddleware):
    """Stands for authentication: whoever asks is this person."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        scope["state"]["caller"] = self.caller
        await next_app(scope, receive, send)


async def _post(
    library: Library, serve: Serve, caller: Caller, body: Any, search: Search | None = None
) -> Any:
    search = search or library.container.search()
    name_purpose = library.container.name_purpose()
    serving = serve(
        SearchController,
        dependencies={
            "search": Provide(lambda: search, sync_to_thread=False),
            "name_purpose": Provide(lambda: name_purpose, sync_to_thread=False),
        },
        middleware=[_Is(caller)],
    )
    async with serving as running:
        sent = json.dumps(body)  # whatever is not ASCII by its number, as many clients do
        headers = {"Content-Type": "application/json"}
        return await running.client.post("/v1/search", content=sent, headers=headers)


async def test_an_answer_quotes_passages_and_says_how_they_were_found(
    library: Library, serve: Serve
) -> None:
    asha, ben = await library.person(), await library.person()
    lease = await library.add(asha, LEASE, title="Lease")
    grant = await library.share(asha, lease, ben, purpose="care")
    body = {
        "query": "when is notice due",
        "limit": 5,
        "purpose": "care",
        "filters": {"document_ids": [str(lease.document_id)]},
    }
    answer = await _post(library, serve, ben, body)
    assert answer.status_code == 200
    shown = answer.json()
    assert shown.pop("took_ms") > 0
    assert shown == {
        "items": [
            {
                "document_id": str(lease.document_id),
                "version": 1,
                "passage_id": f"{lease.document_id}.1.0",
                "title": "Lease",
                "heading_path": [],
                "text": LEASE,
                "start": 0,
                "end": len(LEASE),
                "score": pytest.approx(0.9),
                "grant_id": str(grant.id),
            }
        ],
        "mode": "hybrid",
        "degraded": [],
    }


async def test_ones_own_passages_name_no_grant(library: Library, serve: Serve) -> None:
    asha = await library.person()
    await library.add(asha, LEASE)
    answer = await _post(library, serve, asha, {"query": "notice", "mode": "keyword"})
    assert "grant_id" not in answer.json()["items"][0]
    assert answer.json()["mode"] == "keyword"


async def test_an_answer_explains_itself_when_asked_to(library: Library, serve: Serve) -> None:
    asha = await library.person()
    await library.add(asha, LEASE)
    await library.add(asha, "The garden is not part of it.")
    answer = (await _post(library, serve, asha, {"query": "notice due", "explain": True})).json()
    assert answer["explain"] == {
        "vectors": "exact",
        "reason": "few_visible",
        "lexical": "words",
        "visible_passages": 2,
        "sealed_documents": 0,
        "semantic_weight": 0.5,
        "feedback_weight": 0.3,
    }
    best, other = answer["items"]
    assert best["explain"]["keyword"] == 1.0
    assert other["explain"]["keyword"] is None
    assert 0 <= other["explain"]["semantic"] <= 1
    body = {"query": "notice due", "explain": True, "mode": "keyword"}
    by_words = (await _post(library, serve, asha, body)).json()
    assert by_words["explain"]["vectors"] == "none"
    assert by_words["items"][0]["explain"]["semantic"] is None


async def test_an_answer_says_when_a_graph_was_asked_and_is_the_same_for_it(
    library: Library, serve: Serve
) -> None:
    asha, ben = await library.person(), await library.person()
    for number in range(4):
        await library.add(asha, f"{LEASE} Part {number} of the papers.")
        await library.add(ben, f"{LEASE} Part {number} of other papers.")
    route = VectorRoute(exact_passages_max=0, entry_cost=1e-6)  # however large the table is
    passages = PostgresPassages(engine=library.engine, route=route)
    search = replace(library.container.search(), passages=passages)
    body = {"query": "notice due", "explain": True}
    exact = (await _post(library, serve, asha, body)).json()
    near = (await _post(library, serve, asha, body, search)).json()
    assert (near["explain"].pop("vectors"), near["explain"].pop("reason")) == ("hnsw", "graph")
    assert (exact["explain"].pop("vectors"), exact["explain"].pop("reason")) == (
        "exact",
        "few_visible",
    )
    del exact["took_ms"], near["took_ms"]
    assert near == exact
    assert len(near["items"]) == 4


async def test_of_documents_each_is_shown_once_and_more_may_be_asked_for(
    library: Library, serve: Serve
) -> None:
    asha = await library.person()
    long = await library.add(asha, "\n\n".join(f"# Part {n}\n\n{LEASE * 9}" for n in range(4)))
    short = await library.add(asha, LEASE)
    body = {"query": "notice due", "limit": 100, "results": "documents"}
    answer = await _post(library, serve, asha, body)
    assert answer.status_code == 200
    shown = [item["document_id"] for item in answer.json()["items"]]
    assert sorted(shown) == sorted([str(long.document_id), str(short.document_id)])
    scores = [item["score"] for item in answer.json()["items"]]
    assert scores == sorted(scores, reverse=True)
    passages = await _post(library, serve, asha, {"query": "notice due", "limit": 50})
    assert len(passages.json()["items"]) > 2


async def test_the_longest_query_about_the_most_documents_is_not_too_much(
    library: Library, serve: Serve
) -> None:
    named = [str(uuid4()) for _ in range(DOCUMENTS_MAX)]
    body = {"query": "🌲" * TEXT_CHARACTERS_MAX, "filters": {"document_ids": named}}
    answer = await _post(library, serve, await library.person(), body)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/query"),
        ({"query": " "}, "/query"),
        ({"query": "x" * 8_001}, "/query"),
        ({"query": "a\x00b"}, "/query"),
        ({"query": "x", "limit": 51, "results": "passages"}, "/limit"),
        ({"query": "x", "limit": 101, "results": "documents"}, "/limit"),
        ({"query": "x", "results": "chapters"}, "/results"),
        ({"query": "x", "explain": "please"}, "/explain"),
        ({"query": "x", "mode": "fuzzy"}, "/mode"),
        ({"query": "x", "purpose": ""}, "/purpose"),
        ({"query": "x", "purpose": "world_domination"}, "/purpose"),
        ({"query": "x", "document_ids": []}, "/document_ids"),
        ({"query": "x", "filters": {"document_ids": []}}, "/filters/document_ids"),
        ({"query": "x", "filters": {"document_ids": ["1"]}}, "/filters/document_ids/0"),
        ({"query": "x", "filters": {"owner": "me"}}, "/filters/owner"),
    ],
)
async def test_a_refused_search_names_the_field_to_blame(
    library: Library, serve: Serve, body: dict[str, Any], pointer: str
) -> None:
    answer = await _post(library, serve, await library.person(), body)
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
