"""People and their devices: each device is an HTTP client that is signed in, and no more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from entrypoints.cli.story.events import Event, events_of

PASSWORD = "a rainy Thursday by the harbour"  # noqa: S105 - of people who do not exist
SECONDS_MAX = 30.0


class UnexpectedAnswer(Exception):
    """The service answered a request otherwise than the story needs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody at one device. Anything but the status that was expected is UnexpectedAnswer."""

    name: str
    email: str
    id: str
    client: httpx2.AsyncClient

    async def get(self, path: str, **query: Any) -> Any:
        return _expected(await self.client.get(path, params=query), 200).json()

    async def post(self, path: str, body: Any = None, *, status: int = 200) -> Any:
        return _expected(await self.client.post(path, json=body), status).json()

    async def put(self, path: str, body: Any, *, status: int = 200) -> Any:
        return _expected(await self.client.put(path, json=body), status).json()

    async def delete(self, path: str) -> Any:
        return _expected(await self.client.delete(path), 200).json()

    async def upload(self, path: str, *, filename: str, content: bytes, **fields: str) -> Any:
        files = {"file": (filename, content)}
        return _expected(await self.client.post(path, data=fields, files=files), 202).json()

    async def bytes_of(self, path: str, **query: Any) -> bytes:
        return _expected(await self.client.get(path, params=query), 200).content

    async def attempt(self, method: str, path: str, **query: Any) -> httpx2.Response:
        """Whatever the answer is."""
        return await self.client.request(method, path, params=query)

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, body: Any = None, after: int = 0
    ) -> AsyncIterator[AsyncIterator[Event]]:
        """Server-sent events from the one after `after`. Leaving it early cuts the connection."""
        headers = {"Accept": "text/event-stream"}
        if after:
            headers["Last-Event-ID"] = str(after)
        async with self.client.stream(method, path, json=body, headers=headers) as response:
            if not response.is_success:
                await response.aread()
            _expected(response, response.status_code if response.is_success else 200)
            yield events_of(response.aiter_raw())


@asynccontextmanager
async def signed_up(url: str, name: str, email: str) -> AsyncIterator[Person]:
    """A new account, and its owner's first device."""
    account = {"email": email, "password": PASSWORD, "display_name": name}
    async with _client(url) as client:
        _expected(await client.post("/v1/accounts", json=account), 201)
    async with signed_in(url, email) as person:
        yield person


@asynccontextmanager
async def signed_in(url: str, email: str) -> AsyncIterator[Person]:
    """Another device of somebody who has an account."""
    async with _client(url) as client:
        credentials = {"email": email, "password": PASSWORD}
        tokens = _expected(await client.post("/v1/sessions", json=credentials), 201).json()
        client.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        me = _expected(await client.get("/v1/me"), 200).json()
        yield Person(name=me["display_name"], email=email, id=me["id"], client=client)


@asynccontextmanager
async def at_a_link(url: str) -> AsyncIterator[Person]:
    """Somebody without an account, who got a link."""
    async with _client(url) as client:
        yield Person(name="Whoever has the link", email="", id="", client=client)


def _client(url: str) -> httpx2.AsyncClient:
    """Straight to the instance: a proxy of the reader's has no business in between."""
    return httpx2.AsyncClient(base_url=url, timeout=SECONDS_MAX, trust_env=False)


def _expected(response: httpx2.Response, status: int) -> httpx2.Response:
    if response.status_code != status:
        request = response.request
        raise UnexpectedAnswer(
            f"{request.method} {request.url.path} answered {response.status_code} where {status} "
            f"was expected: {response.text[:500]}"
        )
    return response
