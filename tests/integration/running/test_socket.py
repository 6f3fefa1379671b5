"""The socket of a conversation on a running Strongroom, with tokens of people who signed in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.integration.running.people import Json, Person, json_of
from tests.integration.running.program import Program


@pytest.fixture(scope="module")
async def conversation_id(asha: Person) -> str:
    await asha.ready("# Lease\n\nThe deposit is 2,500 euros.\n", filename="lease.md")
    begun = await asha.http.post("/v1/conversations", json={})
    return str(json_of(begun)["id"])


@asynccontextmanager
async def opened(
    program: Program, conversation_id: str, token: str
) -> AsyncIterator[ClientConnection]:
    url = f"{program.url.replace('http', 'ws')}/v1/conversations/{conversation_id}/socket"
    async with connect(url, proxy=None) as socket:
        await socket.send(json.dumps({"type": "authenticate", "token": token}))
        yield socket


async def frames(socket: ClientConnection) -> list[Json]:
    told: list[Json] = []
    while not told or told[-1]["type"] not in ("completed", "failed"):
        told.append(json.loads(await socket.recv()))
    return told


async def test_a_person_asks_over_a_socket(
    running: Program, asha: Person, conversation_id: str
) -> None:
    async with opened(running, conversation_id, asha.tokens["access_token"]) as socket:
        ask: dict[str, Any] = {"type": "ask", "content": "How much is the deposit?"}
        await socket.send(json.dumps(ask))
        authenticated, asked, *events = await frames(socket)
    assert (authenticated["type"], asked["type"]) == ("authenticated", "asked")
    text = "".join(each["data"]["text"] for each in events if each["type"] == "text_delta")
    assert "2,500" in text
    assert [each["number"] for each in events] == list(range(1, len(events) + 1))
    kept = await asha.http.get(f"/v1/conversations/{conversation_id}/messages")
    assert [each["content"] for each in json_of(kept)["items"]] == [ask["content"], text]


async def test_nobody_else_gets_in(
    running: Program, asha: Person, ben: Person, conversation_id: str
) -> None:
    tokens = [(ben.tokens["access_token"], 4404), (asha.tokens["refresh_token"], 3000), ("x", 3000)]
    for token, code in tokens:
        async with opened(running, conversation_id, token) as socket:
            with pytest.raises(ConnectionClosed) as closed:
                await socket.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == code
    for each in (asha, ben):
        assert each.tokens["access_token"] not in running.said
