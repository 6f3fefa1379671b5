"""POST /v1/search over a real server."""

from __future__ import annotations

from typing import Any

import pytest
from litestar.di import Provide
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from domain.identity import Caller
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


async def _post(library: Library, serve: Serve, caller: Caller, body: Any) -> Any:
    search = library.container.search()
    serving = serve(
        SearchController,
        dependencies={"search": Provide(lambda: search, sync_to_thread=False)},
        middleware=[_Is(caller)],
    )
    async with serving as running:
        return await running.client.post("/v1/search", json=body)


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
                "score": 1.0,
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


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/query"),
        ({"query": " "}, "/query"),
        ({"query": "x" * 2_001}, "/query"),
        ({"query": "a\x00b"}, "/query"),
        ({"query": "x", "limit": 51}, "/limit"),
        ({"query": "x", "mode": "fuzzy"}, "/mode"),
        ({"query": "x", "purpose": ""}, "/purpose"),
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
