"""The UI message stream of the AI SDK, as its transport asks for it and as it comes."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.integration.running.people import (
    PURPOSE,
    Json,
    Person,
    json_of,
    problem_of,
    signed_up,
)
from tests.integration.running.program import Program

HOW_MUCH = "How much is the deposit?"
NOTHING = "Nothing that you may see answers this."


def sent(chat: str, text: str = HOW_MUCH, **more: Any) -> Json:
    message = {"id": uuid4().hex, "role": "user", "parts": [{"type": "text", "text": text}]}
    return {"id": chat, "messages": [message], "trigger": "submit-message", **more}


def chunks_of(stream: str) -> list[Json]:
    """What the frames say, after checking that nothing but frames and comments is there."""
    frames = [each for each in stream.split("\n\n") if each and not each.startswith(":")]
    assert all(each.startswith("data: ") and "\n" not in each for each in frames)
    assert frames[-1] == "data: [DONE]"
    return [json.loads(each.removeprefix("data: ")) for each in frames[:-1]]


def text_of(chunks: list[Json]) -> str:
    return "".join(each["delta"] for each in chunks if each["type"] == "text-delta")


def run_id_of(chunks: list[Json]) -> str:
    return str(chunks[0]["messageMetadata"]["run_id"])


async def ask(person: Person, body: Json) -> list[Json]:
    answer = await person.http.post("/api/chat", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert answer.headers["content-type"].startswith("text/event-stream")
    return chunks_of(answer.text)


async def first_chunks(answer: httpx2.Response, count: int) -> str:
    told = ""
    async for piece in answer.aiter_text():
        told += piece
        if told.count("\n\n") >= count:
            return told
    raise AssertionError(told)


async def test_an_answer_comes_in_the_parts_of_the_protocol(asha: Person, lease: Json) -> None:
    chat = uuid4().hex
    chunks = await ask(asha, sent(chat))
    kinds = [each["type"] for each in chunks if each["type"] != "text-delta"]
    assert kinds == [
        "start",
        "start-step",
        "data-retrieval",
        "text-start",
        "source-document",
        "data-citation",
        "message-metadata",
        "text-end",
        "finish-step",
        "finish",
    ]
    by_kind = {each["type"]: each for each in chunks}
    assert "The deposit is 2,500 euros." in text_of(chunks)
    source, citation = by_kind["source-document"], by_kind["data-citation"]["data"]
    assert source["sourceId"] == f"{lease['id']}@1"
    assert source["title"] == citation["quote"] == "The deposit is 2,500 euros."
    assert citation["verified"]
    metadata = by_kind["start"]["messageMetadata"]
    kept = await asha.http.get(f"/v1/conversations/{metadata['conversation_id']}/messages")
    question, answer = json_of(kept)["items"]
    assert question["content"] == HOW_MUCH
    assert answer["id"] == by_kind["start"]["messageId"]
    assert answer["content"] == text_of(chunks)


async def test_a_chat_is_one_conversation_and_repeats_nothing(asha: Person, lease: Json) -> None:
    chat = uuid4().hex
    first = sent(chat)
    chunks = await ask(asha, first)
    assert run_id_of(await ask(asha, first)) == run_id_of(chunks)  # sent twice, asked once
    conversation_id = chunks[0]["messageMetadata"]["conversation_id"]
    follow_up = sent(chat, "And how much is the rent?")
    follow_up["messages"] = [*first["messages"], *follow_up["messages"]]
    assert "1,250" in text_of(await ask(asha, follow_up))
    again = sent(conversation_id)  # its own id names it as well
    assert (await ask(asha, again))[0]["messageMetadata"]["conversation_id"] == conversation_id
    anew = first | {"trigger": "regenerate-message"}
    assert run_id_of(await ask(asha, anew)) != run_id_of(chunks)
    kept = json_of(await asha.http.get(f"/v1/conversations/{conversation_id}"))
    assert (kept["title"], kept["message_count"]) == (HOW_MUCH, 7)


async def test_the_same_message_cannot_say_something_else(asha: Person, lease: Json) -> None:
    chat = uuid4().hex
    first = sent(chat)
    await ask(asha, first)
    other = sent(chat, "What else?")
    other["messages"][0]["id"] = first["messages"][0]["id"]
    problem = problem_of(await asha.http.post("/api/chat", json=other), [422])
    assert problem["code"] == "idempotency_key_reused"
    edited = other | {"messageId": other["messages"][0]["id"]}  # that is how an edit is told
    assert run_id_of(await ask(asha, edited))


def shown(chat: str, *messages: tuple[str, str, str], **more: Any) -> Json:
    """A chat as its client shows it: role, id and text of each message."""
    told = [
        {"role": role, "id": name, "parts": [{"type": "text", "text": text}]}
        for role, name, text in messages
    ]
    return {"id": chat, "messages": told, "trigger": "submit-message", **more}


async def bundled(person: Person, run_id: str) -> Json:
    """The manifest in an answer's bundle, once what it rests on is in the log."""
    async with asyncio.timeout(30):
        while True:
            bundle = await person.http.get(f"/v1/runs/{run_id}/bundle")
            if bundle.status_code != 409:
                manifest: Json = json_of(bundle)["manifest"]
                return manifest
            await asyncio.sleep(0.1)


async def test_edits_and_new_answers_are_branches_of_the_conversation(
    asha: Person, lease: Json
) -> None:
    chat, first, second = uuid4().hex, uuid4().hex, uuid4().hex
    asked = ("user", first, HOW_MUCH)
    answers = [str((await ask(asha, shown(chat, asked)))[0]["messageId"])]
    regenerated = shown(chat, asked, trigger="regenerate-message")
    named = regenerated | {"messageId": answers[0]}
    for body in (regenerated, named):  # the client may or may not say which one
        answers.append(str((await ask(asha, body))[0]["messageId"]))
    edited = ("user", first, "How much is the rent?")
    told = await ask(asha, shown(chat, edited, messageId=first))
    assert "1,250" in text_of(told)
    of_edited = [str(told[0]["messageId"])]
    again = shown(chat, edited, trigger="regenerate-message")
    of_edited.append(str((await ask(asha, again))[0]["messageId"]))
    # The client goes back to the first answer, and asks on from there.
    follow_up = ("user", second, "And how much is the rent?")
    on = await ask(asha, shown(chat, asked, ("assistant", answers[0], "..."), follow_up))
    conversation = f"/v1/conversations/{on[0]['messageMetadata']['conversation_id']}"
    messages = json_of(await asha.http.get(f"{conversation}/messages"))["items"]
    parents = {each["id"]: each["parent_id"] for each in messages}
    questions = [each["id"] for each in messages if each["role"] == "user"]
    assert [parents[each] for each in answers] == [questions[0]] * 3
    assert [parents[each] for each in of_edited] == [questions[1]] * 2
    assert [parents[each] for each in questions] == [None, None, answers[0]]
    branches = json_of(await asha.http.get(f"{conversation}/branches"))["items"]
    assert [each["message_id"] for each in branches] == [
        *answers[1:], *of_edited, on[0]["messageId"],
    ]  # fmt: skip
    for each in branches:
        manifest = await bundled(asha, each["run_id"])
        assert manifest["message_id"] == each["message_id"]
        assert manifest["question"]["message_id"] == parents[each["message_id"]]


async def test_ids_of_others_say_nothing_about_where_a_question_goes(
    asha: Person, ben: Person, lease: Json
) -> None:
    hers = await ask(asha, sent(uuid4().hex))
    chat = uuid4().hex
    answer = ("assistant", str(hers[0]["messageId"]), "...")
    for told in (answer, ("assistant", str(uuid4()), "..."), ("assistant", "x", "...")):
        name = uuid4().hex
        his = await ask(ben, shown(name, told, ("user", uuid4().hex, HOW_MUCH)))
        assert text_of(his) == NOTHING
        again = shown(
            name, ("user", uuid4().hex, HOW_MUCH), trigger="regenerate-message", messageId=told[1]
        )
        assert text_of(await ask(ben, again)) == NOTHING
    assert json_of(await asha.http.get(f"/v1/runs/{run_id_of(hers)}"))["state"] == "completed"
    assert (await ben.http.get(f"/api/chat/{chat}/stream")).status_code == 204


async def test_the_message_alone_may_be_sent(asha: Person, lease: Json) -> None:
    body = sent(uuid4().hex)
    (message,) = body.pop("messages")
    assert "2,500" in text_of(await ask(asha, body | {"message": message}))


async def test_a_name_means_something_to_its_owner_alone(
    asha: Person, ben: Person, lease: Json
) -> None:
    chat = uuid4().hex
    named = (await ask(asha, sent(chat)))[0]["messageMetadata"]["conversation_id"]
    for name in (chat, named):
        his = await ask(ben, sent(name))
        assert text_of(his) == NOTHING
        assert his[0]["messageMetadata"]["conversation_id"] != named
    narrowed = sent(uuid4().hex, purpose=PURPOSE, document_ids=[lease["id"]])
    assert text_of(await ask(ben, narrowed)) == NOTHING
    kept = json_of(await asha.http.get(f"/v1/conversations/{named}"))
    assert kept["message_count"] == 2


async def test_a_deleted_conversation_does_not_come_back(asha: Person, lease: Json) -> None:
    chat = uuid4().hex
    conversation_id = (await ask(asha, sent(chat)))[0]["messageMetadata"]["conversation_id"]
    await asha.http.delete(f"/v1/conversations/{conversation_id}")
    problem_of(await asha.http.post("/api/chat", json=sent(chat)), [404])
    assert (await asha.http.get(f"/api/chat/{chat}/stream")).status_code == 204


WRONG: list[tuple[str, Json]] = [
    ("/messages", {"messages": None}),
    ("/messages", {"message": {"role": "user", "parts": []}}),
    ("/messages/0/parts", {"messages": [{"role": "user", "parts": []}]}),
    ("/messages/0/parts/0", {"messages": [
        {"role": "user", "parts": [{"type": "file", "url": "data:,x", "mediaType": "text/plain"}]},
    ]}),
    ("/message", {"messages": None, "message": {"role": "assistant", "parts": []}}),
    ("/id", {"id": "two words"}),
    ("/purpos", {"purpos": "research"}),
    ("/document_ids", {"document_ids": []}),
]  # fmt: skip


@pytest.mark.parametrize(("pointer", "wrong"), WRONG, ids=range(len(WRONG)))
async def test_a_bad_request_names_its_field(asha: Person, pointer: str, wrong: Json) -> None:
    answer = await asha.http.post("/api/chat", json=sent(uuid4().hex) | wrong)
    assert [each["pointer"] for each in problem_of(answer, [400])["errors"]] == [pointer]


async def test_a_chat_whose_first_question_is_refused_is_not_begun(asha: Person) -> None:
    title = f"Of {uuid4().hex}?"
    refused = await asha.http.post("/api/chat", json=sent(uuid4().hex, title, model="nobody's"))
    problem_of(refused, [400])
    kept = json_of(await asha.http.get("/v1/conversations", params={"limit": 200}))
    assert title not in [each["title"] for each in kept["items"]]


async def test_there_is_nothing_to_resume_where_nothing_is_written(
    asha: Person, ben: Person, lease: Json
) -> None:
    chat = uuid4().hex
    ended = (await ask(asha, sent(chat)))[0]["messageMetadata"]["conversation_id"]
    for person in (asha, ben):
        for name in (chat, ended, uuid4().hex, str(uuid4()), "two words", "x" * 200):
            answer = await person.http.get(f"/api/chat/{name}/stream")
            assert (answer.status_code, answer.content) == (204, b""), name


async def test_an_answer_is_resumed_from_its_first_word_while_it_is_written(cleo: Person) -> None:
    chat = uuid4().hex
    async with cleo.http.stream("POST", "/api/chat", json=sent(chat)) as answer:
        cut = await first_chunks(answer, 8)
    resumed = await cleo.http.get(f"/api/chat/{chat}/stream")  # the connection was closed
    assert resumed.status_code == 200
    assert resumed.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert "\n:\n\n" in resumed.text  # heartbeats were among it
    chunks = chunks_of(resumed.text)
    assert chunks[-1] == {"type": "finish", "finishReason": "stop"}
    kept = [json.loads(each[6:]) for each in cut.split("\n\n")[:-1] if each.startswith("data: ")]
    assert chunks[: len(kept)] == kept
    run = json_of(await cleo.http.get(f"/v1/runs/{run_id_of(chunks)}"))
    assert run["state"] == "completed"


async def test_a_stopped_answer_ends_as_aborted(cleo: Person) -> None:
    async with cleo.http.stream("POST", "/api/chat", json=sent(uuid4().hex)) as answer:
        told = ""
        async for piece in answer.aiter_text():
            if not told:
                run_id = run_id_of(chunks_of(piece.partition("\n\n")[0] + "\n\ndata: [DONE]"))
                await cleo.http.post(f"/v1/runs/{run_id}/cancel")
            told += piece
    assert chunks_of(told)[-1]["type"] == "abort"


async def test_what_was_shown_is_taken_back_with_the_grant(slow: Program, cleo: Person) -> None:
    async with signed_up(slow, "Ben") as ben:
        document = await cleo.ready("The heron costs 900 euros, as the keeper said in May.\n" * 3)
        grant = await cleo.grant(document["id"], ben)
        body = sent(uuid4().hex, "How much does the heron cost?", purpose=PURPOSE)
        told = ""
        async with ben.http.stream("POST", "/api/chat", json=body) as answer:
            async for piece in answer.aiter_text():
                told += piece
                if told.count("text-delta") == 10:
                    await cleo.http.post(f"/v1/grants/{grant['id']}/revoke")
    chunks = chunks_of(told)
    assert [each["type"] for each in chunks[-2:]] == ["reset-step", "error"]
    assert "gone" in chunks[-1]["errorText"]


async def test_a_second_question_waits_for_the_first_answer(cleo: Person) -> None:
    chat = uuid4().hex
    async with cleo.http.stream("POST", "/api/chat", json=sent(chat)) as answer:
        await first_chunks(answer, 3)
        problem = problem_of(await cleo.http.post("/api/chat", json=sent(chat, "More?")), [409])
        assert problem["code"] == "run_already_active"
    async with asyncio.timeout(10):
        while True:
            if (await cleo.http.get(f"/api/chat/{chat}/stream")).status_code == 204:
                break
