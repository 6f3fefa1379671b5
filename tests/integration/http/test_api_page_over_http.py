"""The description of the API: complete, and readable without anybody else's server."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from domain.identity import Caller
from entrypoints.http.access import PUBLIC
from entrypoints.http.api_page import installed_assets
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of

CURSORS = Cursors(secret=b"s" * 32)
NOTES = [f"note {n:03}" for n in range(120)]


class Note(Struct, kw_only=True):
    text: str


class NewNote(Struct, forbid_unknown_fields=True, kw_only=True):
    text: str


class Notes(Controller):
    path = "/v1/notes"

    @get()
    async def list_notes(
        self,
        caller: NamedDependency[Caller],
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[Note]:
        """The caller's notes, oldest first."""
        after = CURSORS.open(cursor, of="notes", tenant_id=caller.tenant_id) or ("",)
        found = [text for text in NOTES if text > str(after[0])][: limit + 1]
        return page_of(
            found,
            limit=limit,
            show=lambda text: Note(text=text),
            position=lambda text: (text,),
            cursors=CURSORS,
            of="notes",
            tenant_id=caller.tenant_id,
        )

    @post()
    async def add_note(self, data: JSONBody[NewNote]) -> Note:
        return Note(text=data.text)

    @get("/{note_id:uuid}", opt=PUBLIC)
    async def read_note(self, note_id: FromPath[UUID]) -> Note:
        return Note(text=str(note_id))


@pytest.fixture(scope="module")
async def running(serve: Any) -> AsyncIterator[Any]:
    async with serve(Notes) as running:
        yield running


async def test_a_list_is_read_page_by_page_without_gap_or_repeat(running: Any) -> None:
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 50}
    while True:
        page = (await running.client.get("/v1/notes", params=query)).json()
        seen += [item["text"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == NOTES


async def test_a_cursor_that_is_not_ours_is_named(running: Any) -> None:
    response = await running.client.get("/v1/notes", params={"cursor": "bm90IG91cnM"})
    assert response.status_code == 400
    assert [e["pointer"] for e in response.json()["errors"]] == ["/query/cursor"]


async def test_the_document_tells_of_problems_and_tokens(running: Any) -> None:
    response = await running.client.get("/openapi.json", headers={"Authorization": ""})
    document = response.json()
    assert document["openapi"].startswith("3.1")
    listing = document["paths"]["/v1/notes"]["get"]
    assert listing["description"] == "The caller's notes, oldest first."
    assert {p["name"] for p in listing["parameters"]} == {"limit", "cursor"}
    assert set(listing["responses"]) == {"200", "400", "401", "429", "503", "default"}
    assert set(document["paths"]["/v1/notes"]["post"]["responses"]) >= {"201", "413", "415"}
    one = document["paths"]["/v1/notes/{note_id}"]["get"]
    assert one["security"] == []
    assert "404" in one["responses"]
    assert "401" not in one["responses"]
    assert document["security"] == [{"bearer": []}]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    page = listing["responses"]["200"]["content"]["application/json"]["schema"]
    assert page == {"$ref": "#/components/schemas/NotePage"}
    assert set(document["components"]["schemas"]) >= {"NotePage", "Note", "Problem", "ProblemField"}
    references = set(re.findall(r'"\$ref":\s*"#/([^"]+)"', response.text))
    for reference in references:
        found: Any = document
        for step in reference.split("/"):
            found = found[step]


async def test_the_document_is_not_sent_twice(running: Any) -> None:
    first = await running.client.get("/openapi.json")
    again = await running.client.get(
        "/openapi.json", headers={"If-None-Match": first.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


async def test_the_page_loads_nothing_from_elsewhere(running: Any) -> None:
    if installed_assets() is None:
        pytest.skip("drf-spectacular-sidecar is not installed")
    page = await running.client.get("/docs", headers={"Authorization": ""})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "unsafe-eval" not in policy
    assert "http" not in policy
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert all(url.startswith("/") for url in loaded)
    for url in loaded:
        response = await running.client.get(url)
        assert response.status_code == 200, url
        assert "public" in response.headers["cache-control"] or url == "/openapi.json"
    for name in ("oauth2-redirect.html", "..%2f..%2f__init__.py", "nothing.js"):
        assert (await running.client.get(f"/docs/assets/{name}")).status_code == 404


async def test_without_the_package_the_page_says_so(serve: Any, tmp_path: Path) -> None:
    async with serve(Notes, api_page_assets=tmp_path) as running:
        assert (await running.client.get("/docs/assets/swagger-ui.css")).status_code == 404
        assert "not installed" in (await running.client.get("/docs")).text
