"""Chats over a real server: what clients send and see."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from litestar.di import Provide
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from application.chat.language_model import Text
from domain.identity import Caller
from entrypoints.http.chat import ConversationsController
from entrypoints.http.pages import Cursors
from entrypoints.http.runs import RunsController
from tests.integration.chat.conftest import Chat, OpenChat, scripted
from tests.integration.chat.test_taking_back import Share, withdraw

EVENT = re.compile(r"id: (\d+)\nevent: (\w+)\ndata: (.*)\n\n")


class As(ASGIMiddleware):
    """Stands for authentication."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        scope["state"]["caller"] = self.caller
        await next_app(scope, receive, send)


def provided(chat: Chat) -> dict[str, Provide]:
    values = {
        "chats": chat.chats,
        "start_conversation": chat.start_conversation,
        "read_conversations": chat.read,
        "delete_conversation": chat.delete_conversation,
        "ask_question": chat.ask_question,
        "name_purpose": chat.name_purpose,
        "answer_again": chat.answer_again,
        "select_branch": chat.select_branch,
        "follow_run": chat.follow_run,
        "cancel_run": chat.cancel_run,
        "spending": chat.spending,
        "cursors": Cursors(secret=b"s" * 32),
    }
    return {name: constant(value) for name, value in values.items()}


def constant(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


@pytest.fixture
def running(serve: Any, asha: Caller) -> Any:
    return lambda chat: serve(
        ConversationsController,
        RunsController,
        dependencies=provided(chat),
        middleware=[As(asha)],
    )


@pytest.fixture
async def client(running: Any, open_chat: OpenChat) -> AsyncIterator[Any]:
    async with running(await open_chat()) as server:
        yield server.client


async def started(client: Any, **headers: str) -> str:
    answer = await client.post("/v1/conversations", json={"title": "Cats"}, headers=headers)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/conversations/{answer.json()['id']}"
    return f"/v1/conversations/{answer.json()['id']}"


async def test_a_conversation_is_started_listed_and_deleted(client: Any) -> None:
    place = await started(client, **{"Idempotency-Key": "a"})
    assert await started(client, **{"Idempotency-Key": "a"}) == place
    other = await started(client)
    listed = (await client.get("/v1/conversations")).json()
    assert [f"/v1/conversations/{each['id']}" for each in listed["items"]] == [place, other]
    assert (await client.get(place)).json()["title"] == "Cats"
    assert (await client.delete(other)).status_code == 204
    assert (await client.get(other)).status_code == 404
    missing = await client.get(f"/v1/conversations/{uuid4()}/messages")
    assert missing.status_code == 404


async def test_a_question_is_accepted_and_its_run_can_be_followed_from_anywhere(
    client: Any,
) -> None:
    place = await started(client)
    asked = await client.post(f"{place}/messages", json={"content": " What do cats do? "})
    assert asked.status_code == 202
    run = asked.json()["run"]
    assert asked.headers["location"] == f"/v1/runs/{run['id']}"
    assert asked.json()["message"]["content"] == "What do cats do?"
    whole = await client.get(f"/v1/runs/{run['id']}/events")
    assert whole.headers["content-type"].startswith("text/event-stream")
    events = EVENT.findall(whole.text)
    assert [int(number) for number, _, _ in events] == list(range(1, 25))
    assert events[-1][1] == "completed"
    body = whole.text.removeprefix("retry: 1000\n\n")
    for number in range(len(events)):
        cut = body.find(f"id: {number + 1}\n")
        by_header = await client.get(
            f"/v1/runs/{run['id']}/events", headers={"Last-Event-ID": str(number)}
        )
        by_query = await client.get(f"/v1/runs/{run['id']}/events?after={number}")
        assert by_header.text == by_query.text == "retry: 1000\n\n" + body[cut:]
    shown = (await client.get(f"/v1/runs/{run['id']}")).json()
    assert (shown["state"], shown["model"]) == ("completed", "scripted")
    messages = (await client.get(f"{place}/messages?after=1")).json()["items"]
    assert [each["sequence"] for each in messages] == [2]
    assert messages[0]["content"].startswith("word0 word1 ")
    assert messages[0]["run_id"] == run["id"]


async def test_asking_for_a_stream_gives_the_run_at_once_and_a_repeat_joins_it(
    client: Any,
) -> None:
    place = await started(client)
    headers = {"Accept": "text/event-stream", "Idempotency-Key": "k"}
    first, second = await asyncio.gather(
        *(
            client.post(f"{place}/messages", json={"content": "Why?"}, headers=headers)
            for _ in range(2)
        )
    )
    assert first.status_code == second.status_code == 200
    assert first.content == second.content
    assert EVENT.findall(first.text)[-1][1] == "completed"
    other = await client.post(f"{place}/messages", json={"content": "Who?"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"content": "  "}, "/content"),
        ({"content": "x" * 16_001}, "/content"),
        ({"content": "a\u0000b"}, None),
        ({"content": "x", "document_ids": []}, "/document_ids"),
        ({"content": "x", "modle": "y"}, "/modle"),
        ({}, "/content"),
    ],
)
async def test_a_question_that_cannot_be_asked_is_refused_by_field(
    client: Any, body: dict[str, Any], pointer: str | None
) -> None:
    answer = await client.post(f"{await started(client)}/messages", json=body)
    assert answer.status_code == 400
    if pointer is not None:
        assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]


async def test_a_second_question_waits_and_a_run_can_be_cancelled(
    running: Any, open_chat: OpenChat
) -> None:
    async with running(await open_chat(scripted(Text("a "), 60.0))) as server:
        client = server.client
        place = await started(client)
        run = (await client.post(f"{place}/messages", json={"content": "a"})).json()["run"]
        second = await client.post(f"{place}/messages", json={"content": "b"})
        assert (second.status_code, second.json()["code"]) == (409, "run_already_active")
        cancelled = await client.post(f"/v1/runs/{run['id']}/cancel")
        assert (cancelled.status_code, cancelled.json()["cancel_requested"]) == (202, True)
        events = EVENT.findall((await client.get(f"/v1/runs/{run['id']}/events")).text)
        assert (events[-1][1], json.loads(events[-1][2])) == ("cancelled", {"by": "owner"})
        assert (await client.post(f"{place}/messages", json={"content": "b"})).status_code == 202


async def test_what_was_taken_back_is_refused_before_the_stream(
    running: Any, open_chat: OpenChat, asha: Caller, share: Share
) -> None:
    shared = await share(asha)
    chat = await open_chat(excerpts=[shared.excerpt])
    async with running(chat) as server:
        place = await started(server.client)
        asked = await server.client.post(
            f"{place}/messages",
            json={"content": "a", "purpose": "research"},
            headers={"Accept": "text/event-stream"},
        )
        run = asked.headers["location"]
        assert EVENT.findall(asked.text)[-1][1] == "completed"
        await withdraw(chat, shared)
        refused = await server.client.get(f"{run}/events")
        assert (refused.status_code, refused.json()["code"]) == (403, "access_revoked")
        answer = (await server.client.get(f"{place}/messages")).json()["items"][-1]
        assert (answer["content"], answer["tombstone"]) == (None, "access_revoked")
        assert (await server.client.get(run)).json()["state"] == "access_revoked"


async def test_one_person_asks_so_often_and_no_oftener(running: Any, open_chat: OpenChat) -> None:
    async with running(await open_chat(question_rate="3/minute")) as server:
        client = server.client
        places = [await started(client) for _ in range(4)]
        asked = [
            await client.post(f"{place}/messages", json={"content": "Why?"}) for place in places
        ]
        assert [each.status_code for each in asked] == [202, 202, 202, 429]
        assert asked[-1].json()["code"] == "too_many_requests"
        assert int(asked[-1].headers["retry-after"]) > 0
        assert asked[-1].headers["ratelimit-policy"] == '"question_rate_per_person";q=3;w=60'
        assert (await client.get(places[-1])).json()["message_count"] == 0
        again = asked[0].json()["run"]["answer_id"]
        anew = await client.post(f"{places[0]}/messages/{again}/answers", json={})
        assert anew.status_code == 429


async def test_branches_and_queued_questions_over_http(running: Any, open_chat: OpenChat) -> None:
    async with running(await open_chat(scripted(0.3, Text("so")))) as server:
        client = server.client
        place = await started(client)
        assert (await client.get(place)).json()["head_id"] is None
        first = (await client.post(f"{place}/messages", json={"content": "q1"})).json()
        body = {"content": "q2", "when_busy": "queue"}
        waiting = (await client.post(f"{place}/messages", json=body)).json()["run"]
        assert waiting["state"] == "queued"
        told = EVENT.findall((await client.get(f"/v1/runs/{waiting['id']}/events")).text)
        assert [kind for _, kind, _ in told][:2] == ["queued", "run_started"]
        assert json.loads(told[0][2])["ahead"] == 1
        answer, question = first["run"]["answer_id"], first["run"]["question_id"]
        anew = await client.post(
            f"{place}/messages/{answer}/answers", json={}, headers={"Accept": "text/event-stream"}
        )
        assert EVENT.findall(anew.text)[-1][1] == "completed"
        edited = await client.post(
            f"{place}/messages",
            json={"content": "q1, better", "replaces": question},
            headers={"Accept": "text/event-stream"},
        )
        assert EVENT.findall(edited.text)[-1][1] == "completed"
        branches = (await client.get(f"{place}/branches")).json()["items"]
        assert [(each["length"], each["is_selected"]) for each in branches] == [
            (4, False), (2, False), (2, True),
        ]  # fmt: skip
        assert [each["parted_after"] for each in branches] == [question, question, None]
        chosen = branches[0]["message_id"]
        selected = await client.put(f"{place}/branch", json={"message_id": answer})
        assert selected.json()["head_id"] == chosen == waiting["answer_id"]
        path = (await client.get(f"{place}/messages?branch={chosen}")).json()["items"]
        assert [each["content"] for each in path] == ["q1", "so", "q2", "so"]
        rest = await client.get(f"{place}/messages?branch={chosen}&after={path[1]['sequence']}")
        assert rest.json()["items"] == path[2:]


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"parent_id": "question"}, "/parent_id"),
        ({"replaces": "answer"}, "/replaces"),
        ({"parent_id": "answer", "replaces": "question"}, "/replaces"),
        ({"when_busy": "sometimes"}, "/when_busy"),
        ({"parent_id": 7}, "/parent_id"),
    ],
)
async def test_a_wrong_position_is_named_and_nothing_is_asked(
    client: Any, wrong: dict[str, Any], pointer: str
) -> None:
    place = await started(client)
    stream = {"Accept": "text/event-stream"}
    await client.post(f"{place}/messages", json={"content": "q1"}, headers=stream)
    question, answer = (await client.get(f"{place}/messages")).json()["items"]
    known = {"question": question["id"], "answer": answer["id"]}
    body = {name: known.get(value, value) for name, value in wrong.items()}
    refused = await client.post(f"{place}/messages", json={"content": "q2", **body})
    assert refused.status_code == 400
    assert [each["pointer"] for each in refused.json()["errors"]] == [pointer]
    assert (await client.get(place)).json()["message_count"] == 2
