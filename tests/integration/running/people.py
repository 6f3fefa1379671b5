"""People who use a running Strongroom, each through a client of their own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from tests.integration.running.program import Program

PASSWORD = "a quiet lake under seven hills"
PURPOSE = "research"
END_STATES = ("ready", "rejected", "failed")
OPENAI = ("/v1/chat/completions", "/v1/models", "/v1/embeddings")
Json = dict[str, Any]


@dataclass
class Person:
    """Someone with an account, signed in: `http` sends their access token."""

    http: httpx2.AsyncClient
    id: str
    email: str
    tokens: Json

    async def upload(
        self,
        content: bytes | str,
        *,
        filename: str = "notes.txt",
        headers: Mapping[str, str] | None = None,
        **fields: str,
    ) -> Json:
        """Hand in a document, which must be accepted."""
        answer = await self.http.post(
            "/v1/documents", files={"file": (filename, content)}, data=fields, headers=headers
        )
        assert answer.status_code == 202, answer.text
        return json_of(answer)

    async def document(self, document_id: str) -> Json:
        answer = await self.http.get(f"/v1/documents/{document_id}")
        assert answer.status_code == 200, answer.text
        return json_of(answer)

    async def until_ended(self, document_id: str, *, seconds: float = 60.0) -> Json:
        """The document once its ingestion is over, whichever way it went."""
        async with asyncio.timeout(seconds):
            while True:
                found = await self.document(document_id)
                if found["state"] in END_STATES:
                    return found
                await asyncio.sleep(0.05)

    async def ready(
        self, content: bytes | str, *, filename: str = "notes.txt", **fields: str
    ) -> Json:
        """A document that can be searched."""
        document = await self.upload(content, filename=filename, headers=None, **fields)
        found = await self.until_ended(document["id"])
        assert found["state"] == "ready", found
        return found

    async def grant(self, document_id: str, to: Person, **terms: object) -> Json:
        """Share a document for PURPOSE, for an hour, for reading and searching."""
        answer = await self.http.post("/v1/grants", json=grant_body(document_id, to.email, **terms))
        assert answer.status_code == 201, answer.text
        return json_of(answer)

    async def everything(self) -> Json:
        """All that the lists show: what may not have changed by a refused request."""
        lists = ("/v1/documents", "/v1/grants", "/v1/grants?direction=received", "/v1/consents")
        found = {}
        for path in lists:
            answer = await self.http.get(path, params={"limit": 200} if "?" not in path else None)
            assert answer.status_code == 200, answer.text
            found[path] = json_of(answer)
        return found


def grant_body(document_id: str, grantee: str, **terms: object) -> Json:
    return {
        "grantee": grantee,
        "resource": {"kind": "document", "id": document_id},
        "actions": ["read", "search", "quote"],
        "purpose": PURPOSE,
        "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        **terms,
    }


@asynccontextmanager
async def signed_up(
    program: Program, name: str, *, tenant: str = "default"
) -> AsyncIterator[Person]:
    """A new person, with an email address that nobody had before."""
    email = f"{name.lower()}-{uuid.uuid4().hex[:12]}@example.org"
    account = {"email": email, "password": PASSWORD, "display_name": name, "tenant": tenant}
    async with program.client() as http:
        made = await http.post("/v1/accounts", json=account)
        assert made.status_code == 201, made.text
        tokens = await signed_in(http, email, tenant=tenant)
        http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        yield Person(http=http, id=json_of(made)["id"], email=email, tokens=tokens)


async def signed_in(http: httpx2.AsyncClient, email: str, *, tenant: str = "default") -> Json:
    credentials = {"email": email, "password": PASSWORD, "tenant": tenant}
    answer = await http.post("/v1/sessions", json=credentials)
    assert answer.status_code == 201, answer.text
    return json_of(answer)


def json_of(answer: httpx2.Response) -> Json:
    found: Json = answer.json()
    return found


def problem_of(answer: httpx2.Response, statuses: Iterable[int]) -> Json:
    """The problem that this answer is, after checking that it is a whole one (RFC 9457).

    The routes of OpenAI tell the same in OpenAI's shape: their error is given back as a problem.
    """
    asked = f"{answer.request.method} {answer.request.url}"
    assert answer.status_code in set(statuses), f"{asked}: {answer.status_code} {answer.text[:500]}"
    if answer.request.url.path.startswith(OPENAI):
        assert answer.headers["content-type"] == "application/json", asked
        error: Json = json_of(answer)["error"]
        assert {"message", "type", "param", "code", "request_id"} <= error.keys(), asked
        assert error["message"], asked
        return error
    assert answer.headers["content-type"] == "application/problem+json", asked
    problem = json_of(answer)
    assert problem["status"] == answer.status_code, asked
    missing = {"type", "title", "detail", "instance", "code", "request_id"} - problem.keys()
    assert not missing, f"{asked}: {missing}"
    return problem
