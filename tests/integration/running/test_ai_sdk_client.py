"""The AI SDK's own chat and transport, from npm, against a Strongroom that runs.

The program under tests/interop/ai_sdk plays what it is told and says what the SDK made of it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.running.people import PURPOSE, Json, Person, json_of, signed_up
from tests.integration.running.program import Program

PROGRAM = Path(__file__).parents[2] / "interop" / "ai_sdk"
HOW_MUCH = "How much is the deposit?"
PLAY_SECONDS_MAX = 60

pytestmark = pytest.mark.services


@dataclass
class Chatting:
    """A person who uses a front end that was built with the AI SDK."""

    person: Person
    program: Program
    node: str

    async def plays(self, *steps: Json, chat: str | None = None) -> list[Json]:
        """What the SDK says after each step."""
        scenario = {
            "api": f"{self.program.url}/api/chat",
            "token": self.person.tokens["access_token"],
            "chat": chat or uuid4().hex,
            "steps": steps,
        }
        playing = await asyncio.create_subprocess_exec(
            self.node,
            str(PROGRAM / "chat.mjs"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PLAY_SECONDS_MAX):
            said, complaint = await playing.communicate(json.dumps(scenario).encode())
        assert playing.returncode == 0, complaint.decode()
        told: list[Json] = json.loads(said)
        assert len(told) == len(steps)
        return told

    async def stored(self, told: Json) -> list[Json]:
        """The messages of the conversation that the last answer is in."""
        conversation_id = told["messages"][-1]["metadata"]["conversation_id"]
        kept = await self.person.http.get(f"/v1/conversations/{conversation_id}/messages")
        items: list[Json] = json_of(kept)["items"]
        return items


def text_of(message: Json) -> str:
    return "".join(part["text"] for part in message["parts"] if part["type"] == "text")


def parts_of(message: Json, kind: str) -> list[Any]:
    return [part for part in message["parts"] if part["type"] == kind]


@pytest.fixture(scope="module")
def chatting(service: Callable[[str], str], slow: Program, cleo: Person) -> Chatting:
    node = service("node")
    service(str(PROGRAM / "node_modules" / "ai"))
    return Chatting(cleo, slow, node)


async def test_an_answer_becomes_a_message_with_its_sources(chatting: Chatting) -> None:
    (told,) = await chatting.plays({"do": "send", "text": HOW_MUCH})
    assert (told["status"], told.get("error")) == ("ready", None)
    assert told["finished"] == {
        "isAbort": False, "isDisconnect": False, "isError": False, "finishReason": "stop",
    }  # fmt: skip
    assert [each["protocol"] for each in told["requests"]] == ["v1"]
    question, answer = told["messages"]
    asked, stored = await chatting.stored(told)
    assert (text_of(question), text_of(answer)) == (asked["content"], stored["content"])
    assert answer["id"] == stored["id"]
    assert answer["metadata"]["usage"]["model"] == "extractive-1"
    (text,) = parts_of(answer, "text")
    assert text["state"] == "done"
    (source,) = parts_of(answer, "source-document")
    (citation,) = parts_of(answer, "data-citation")
    assert citation["data"]["verified"]
    assert (
        source["providerMetadata"]["strongroom"]["document_id"] == (citation["data"]["document_id"])
    )
    assert parts_of(answer, "data-retrieval")


async def test_a_chat_goes_on_and_makes_answers_anew(chatting: Chatting) -> None:
    first, second, anew = await chatting.plays(
        {"do": "send", "text": HOW_MUCH},
        {"do": "send", "text": "And how much is the rent?"},
        {"do": "regenerate"},
    )
    assert [len(each["messages"]) for each in (first, second, anew)] == [2, 4, 4]
    assert "1,250" in text_of(second["messages"][-1])
    assert text_of(anew["messages"][-1]) == text_of(second["messages"][-1])
    assert anew["messages"][-1]["id"] != second["messages"][-1]["id"]
    assert len(await chatting.stored(anew)) == 5  # what was answered first is still there


async def test_an_edited_question_begins_a_branch_and_can_be_answered_anew(
    chatting: Chatting,
) -> None:
    first, edited, anew = await chatting.plays(
        {"do": "send", "text": HOW_MUCH},
        {"do": "edit", "text": "How much is the rent?"},
        {"do": "regenerate"},
    )
    assert [len(each["messages"]) for each in (first, edited, anew)] == [2, 2, 2]
    assert "1,250" in text_of(edited["messages"][-1])
    stored = await chatting.stored(anew)
    assert [each["content"] for each in stored if each["role"] == "user"] == [
        HOW_MUCH, "How much is the rent?",
    ]  # fmt: skip
    asked, again = stored[2], stored[4]
    assert (asked["parent_id"], again["parent_id"]) == (None, asked["id"])
    assert again["id"] == anew["messages"][-1]["id"]


async def test_a_lost_connection_is_resumed_and_nothing_is_missing_or_twice(
    chatting: Chatting,
) -> None:
    cut, resumed = await chatting.plays(
        {"do": "cut", "text": HOW_MUCH, "deltas": 4}, {"do": "resume"}
    )
    assert cut["status"] == "error"
    assert cut["finished"]["isDisconnect"]
    assert resumed["status"] == "ready"
    assert [each["status"] for each in resumed["requests"]] == [200]
    _, answer = resumed["messages"]
    stored = (await chatting.stored(resumed))[-1]
    assert text_of(answer) == stored["content"]
    assert len(text_of(cut["messages"][-1])) < len(stored["content"])
    assert len(parts_of(answer, "text")) == len(parts_of(answer, "data-citation")) == 1
    assert answer["id"] == stored["id"]


async def test_a_page_that_is_reloaded_finds_the_answer_again(chatting: Chatting) -> None:
    left, _, resumed = await chatting.plays(
        {"do": "leave", "text": HOW_MUCH, "deltas": 4}, {"do": "reopen"}, {"do": "resume"}
    )
    assert left["finished"]["isAbort"]
    (answer,) = resumed["messages"]
    stored = (await chatting.stored(resumed))[-1]
    assert text_of(answer) == stored["content"]
    run = await chatting.person.http.get(f"/v1/runs/{answer['metadata']['run_id']}")
    assert json_of(run)["state"] == "completed"  # who leaves stops nothing


async def test_where_nothing_is_written_there_is_nothing_to_resume(chatting: Chatting) -> None:
    fresh, told, after = await chatting.plays(
        {"do": "resume"}, {"do": "send", "text": HOW_MUCH}, {"do": "resume"}
    )
    for each in (fresh, after):
        assert [request["status"] for request in each["requests"]] == [204]
        assert each["status"] == "ready"
        assert "finished" not in each
    assert after["messages"] == told["messages"]


async def test_a_refusal_is_an_error_of_the_chat(chatting: Chatting) -> None:
    (told,) = await chatting.plays({"do": "send", "text": HOW_MUCH, "body": {"purpose": "x" * 65}})
    assert told["status"] == "error"
    assert json.loads(told["error"])["errors"][0]["pointer"] == "/purpose"


async def test_what_was_withdrawn_is_gone_from_the_page_as_well(chatting: Chatting) -> None:
    owner = chatting.person
    async with signed_up(chatting.program, "Ben") as ben:
        document = await owner.ready("The heron costs 900 euros, as the keeper said in May.\n")
        grant = await owner.grant(document["id"], ben)
        question = {"text": "How much does the heron cost?", "body": {"purpose": PURPOSE}}
        asking, chat = Chatting(ben, chatting.program, chatting.node), uuid4().hex
        (told,) = await asking.plays({"do": "send", **question}, chat=chat)
        assert "900 euros" in text_of(told["messages"][-1])
        playing = asyncio.create_task(asking.plays({"do": "send", **question}, chat=chat))
        assert "heron " in await until_said(ben, chat, "heron ")
        revoked = await owner.http.post(f"/v1/grants/{grant['id']}/revoke")
        assert revoked.status_code == 200
        (told,) = await playing
    assert told["status"] == "error"
    assert "gone" in told["error"]
    assert "heron" not in text_of(told["messages"][-1])
    assert not parts_of(told["messages"][-1], "data-retrieval")


async def until_said(person: Person, chat: str, words: str) -> str:
    """Follow the answer that is written in a chat up to these words."""
    said = ""
    async with asyncio.timeout(20):
        while True:
            async with person.http.stream("GET", f"/api/chat/{chat}/stream") as answer:
                if answer.status_code == 200:
                    async for piece in answer.aiter_text():
                        said += piece
                        if words in said:
                            return said
            await asyncio.sleep(0.05)
