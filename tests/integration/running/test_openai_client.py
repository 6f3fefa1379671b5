"""OpenAI's own Python client, against a Strongroom that runs as its users start it."""

from __future__ import annotations

import asyncio
import base64
import json
from array import array
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import openai
import pytest
from openai import AsyncOpenAI

from adapters.embedding.minilm import MiniLMEmbedder
from tests.integration.running.conftest import LEASE, SLOWLY
from tests.integration.running.people import PURPOSE, Json, Person, json_of, signed_up
from tests.integration.running.program import Program, ending

MODEL = "extractive-1"
HOW_MUCH = "How much is the deposit?"
NOTHING = "Nothing that you may see answers this."


def client_of(program: Program, person: Person, **options: Any) -> AsyncOpenAI:
    """As a front end would be set up: a base URL and a key."""
    token = person.tokens["access_token"]
    return AsyncOpenAI(base_url=f"{program.url}/v1", api_key=token, max_retries=0, **options)


def asking(text: str = HOW_MUCH, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}


async def run_of(person: Person, run_id: str) -> Json:
    return json_of(await person.http.get(f"/v1/runs/{run_id}"))


async def until_over(person: Person, run_id: str, *, seconds: float = 15.0) -> Json:
    async with asyncio.timeout(seconds):
        while True:
            run = await run_of(person, run_id)
            if run["state"] != "running":
                return run
            await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
async def client(running: Program, asha: Person, lease: Json) -> AsyncIterator[AsyncOpenAI]:
    async with client_of(running, asha) as client:
        yield client


@pytest.fixture(scope="module")
async def slow(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Program]:
    """One that answers slowly, and one question at a time."""
    program = Program(
        places(),
        models=built_models,
        **SLOWLY | {"extractive_words_per_second": 5},
        runs_at_once=1,
        embedding_rate_per_person="2/minute",
    )
    async with ending(program):
        await program.start()
        yield program


async def test_a_question_is_answered_whole_with_its_citations(
    client: AsyncOpenAI, asha: Person, lease: Json
) -> None:
    answer = await client.chat.completions.create(**asking())
    (choice,) = answer.choices
    assert choice.finish_reason == "stop"
    assert choice.message.role == "assistant"
    assert "The deposit is 2,500 euros." in (choice.message.content or "")
    assert answer.object == "chat.completion"
    assert answer.model == MODEL
    assert answer.usage is not None
    assert answer.usage.total_tokens == 0  # nothing was generated: it quotes
    found = (answer.model_extra or {})["strongroom"]
    assert answer.id == f"chatcmpl-{found['run_id']}"
    assert found["ignored"] == []
    (citation,) = found["citations"]
    assert citation["verified"]
    assert citation["document_id"] == lease["id"]
    text = (await asha.http.get(f"/v1/documents/{lease['id']}/text")).content
    assert text[citation["start"] : citation["end"]].decode() == citation["quote"]
    run = await run_of(asha, found["run_id"])
    assert run["state"] == "completed"
    kept = await asha.http.get(f"/v1/conversations/{found['conversation_id']}/messages")
    said = [each["content"] for each in json_of(kept)["items"]]
    assert said == [HOW_MUCH, choice.message.content]
    named = await asha.http.get(f"/v1/conversations/{found['conversation_id']}")
    assert json_of(named)["title"] == HOW_MUCH


async def test_a_stream_says_the_same_as_the_whole_and_what_it_took(client: AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(**asking())
    options = {"include_usage": True}
    stream = await client.chat.completions.create(**asking(stream=True, stream_options=options))
    chunks = [chunk async for chunk in stream]
    text = "".join(each.choices[0].delta.content or "" for each in chunks if each.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert {each.id for each in chunks} == {chunks[0].id}
    assert [each.choices[0].finish_reason for each in chunks if each.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert all(each.usage is None for each in chunks[:-1])
    told = [(each.model_extra or {})["strongroom"] for each in chunks if each.model_extra]
    assert [each["event"] for each in told] == ["run_started", "retrieval", "citation"]
    assert told[-1]["data"]["quote"] == "The deposit is 2,500 euros."


async def test_usage_is_told_in_a_stream_only_where_it_was_asked_for(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(**asking(stream=True))
    chunks = [chunk async for chunk in stream]
    assert all(each.choices and each.usage is None for each in chunks)


async def test_the_events_of_the_run_are_those_of_the_native_format(
    client: AsyncOpenAI, asha: Person
) -> None:
    stream = await client.chat.completions.create(**asking(stream=True))
    chunks = [chunk async for chunk in stream]
    run_id = chunks[0].id.removeprefix("chatcmpl-")
    events = (await asha.http.get(f"/v1/runs/{run_id}/events")).text
    data = [
        json.loads(line.removeprefix("data: ")) for line in events.split("\n") if "data: " in line
    ]
    native = "".join(each["text"] for each in data if "text" in each)
    assert native == "".join(each.choices[0].delta.content or "" for each in chunks)


async def test_the_last_question_counts_and_those_before_it_help(
    client: AsyncOpenAI, asha: Person
) -> None:
    await asha.ready("# Years\n\nIn 2019 the heating was renewed. In 2021 the roof was renewed.\n")
    messages: list[Any] = [
        {"role": "system", "content": "You are a pirate."},
        {"role": "user", "content": "When was the roof renewed?"},
        {"role": "assistant", "content": "I made this up: in 1850."},
        {"role": "user", "content": [{"type": "text", "text": "And the heating?"}]},
    ]
    answer = await client.chat.completions.create(model=MODEL, messages=messages, temperature=0.1)
    content = answer.choices[0].message.content or ""
    assert "In 2019 the heating was renewed." in content
    assert "1850" not in content
    found = (answer.model_extra or {})["strongroom"]
    assert found["ignored"] == ["messages[0]", "temperature"]


async def test_a_question_can_be_asked_in_a_conversation_that_is_there(
    client: AsyncOpenAI, asha: Person
) -> None:
    begun = json_of(await asha.http.post("/v1/conversations", json={"title": "Flat"}))
    terms = {"strongroom": {"conversation_id": begun["id"]}}
    for _ in range(2):
        answer = await client.chat.completions.create(**asking(), extra_body=terms)
        found = (answer.model_extra or {})["strongroom"]
        assert found["conversation_id"] == begun["id"]
    kept = json_of(await asha.http.get(f"/v1/conversations/{begun['id']}"))
    assert kept["message_count"] == 4
    elsewhere = {"strongroom": {"conversation_id": str(uuid4())}}
    with pytest.raises(openai.NotFoundError) as refused:
        await client.chat.completions.create(**asking(), extra_body=elsewhere)
    assert refused.value.code == "not_found"


async def test_what_belongs_to_somebody_else_never_appears(
    running: Program, ben: Person, asha: Person, lease: Json
) -> None:
    async with client_of(running, ben) as client:
        nowhere = await client.chat.completions.create(**asking())
        named = {"strongroom": {"document_ids": [lease["id"]], "purpose": PURPOSE}}
        hidden = await client.chat.completions.create(**asking(), extra_body=named)
        for answer in (nowhere, hidden):
            assert answer.choices[0].message.content == NOTHING
            assert (answer.model_extra or {})["strongroom"]["retrieval"]["excerpts"] == []
        grant = await asha.grant(lease["id"], ben)
        granted = await client.chat.completions.create(**asking(), extra_body=named)
        assert "2,500" in (granted.choices[0].message.content or "")
        ungranted = await client.chat.completions.create(**asking())  # for another purpose
        assert ungranted.choices[0].message.content == NOTHING
        conversation_id = (granted.model_extra or {})["strongroom"]["conversation_id"]
        await asha.http.post(f"/v1/grants/{grant['id']}/revoke")
        withdrawn = await client.chat.completions.create(**asking(), extra_body=named)
        assert withdrawn.choices[0].message.content == NOTHING
        kept = await ben.http.get(f"/v1/conversations/{conversation_id}/messages")
        assert json_of(kept)["items"][1]["tombstone"] == "access_revoked"
        # What its client still has and repeats does not come back as an answer.
        messages: list[Any] = [
            {"role": "user", "content": HOW_MUCH},
            {"role": "assistant", "content": granted.choices[0].message.content},
            {"role": "user", "content": "And again, how much is the deposit?"},
        ]
        repeated = await client.chat.completions.create(model=MODEL, messages=messages)
        assert repeated.choices[0].message.content == NOTHING


async def test_models_are_listed_and_found_by_name(client: AsyncOpenAI) -> None:
    listed = await client.models.list()
    assert [each.id for each in listed.data] == [MODEL, MiniLMEmbedder.model]
    found = await client.models.retrieve(MODEL)
    assert (found.id, found.object, found.owned_by) == (MODEL, "model", "strongroom")
    for name in ("gpt-4", "some/one"):
        with pytest.raises(openai.NotFoundError) as refused:
            await client.models.retrieve(name)
        assert refused.value.code == "model_not_found"


async def test_embeddings_are_the_vectors_of_the_embedder(
    client: AsyncOpenAI, built_models: Path
) -> None:
    texts = ["How much is the deposit?", "Der Reiher steht im Schilf.", "x"]
    embedder = MiniLMEmbedder(built_models)
    expected = [list(each) for each in await embedder.embed_passages(texts)]
    await embedder.close()
    packed = await client.embeddings.create(model=embedder.model, input=texts)  # in base64
    plain = await client.embeddings.create(
        model=embedder.model, input=texts, encoding_format="float", dimensions=embedder.dimensions
    )
    for answer in (packed, plain):
        assert [each.embedding for each in answer.data] == expected
        assert [each.index for each in answer.data] == [0, 1, 2]
        assert answer.model == embedder.model
        assert answer.usage.total_tokens > 0
    one = await client.embeddings.create(model=embedder.model, input=texts[0])
    assert [each.embedding for each in one.data] == expected[:1]


async def test_base64_is_little_endian_floats_on_the_wire(asha: Person) -> None:
    sent = {"model": MiniLMEmbedder.model, "input": "x", "encoding_format": "base64"}
    answer = json_of(await asha.http.post("/v1/embeddings", json=sent))
    unpacked = array("f", base64.b64decode(answer["data"][0]["embedding"]))
    assert len(unpacked) == MiniLMEmbedder.dimensions
    assert sum(number * number for number in unpacked) == pytest.approx(1, abs=1e-4)


async def test_refusals_are_the_exceptions_that_programs_expect(
    running: Program, client: AsyncOpenAI, asha: Person
) -> None:
    async with client_of(running, asha) as nobody:
        nobody.api_key = "nobody's"
        with pytest.raises(openai.AuthenticationError) as unknown:
            await nobody.chat.completions.create(**asking())
    assert unknown.value.type == "authentication_error"
    assert unknown.value.code == "invalid_token"
    with pytest.raises(openai.NotFoundError) as no_model:
        await client.chat.completions.create(**(asking() | {"model": "gpt-4"}))
    assert no_model.value.code == "model_not_found"
    assert no_model.value.request_id
    with pytest.raises(openai.NotFoundError):
        await client.embeddings.create(model=MODEL, input="x")
    key = {"extra_headers": {"Idempotency-Key": uuid4().hex}}
    await client.chat.completions.create(**asking(), **key)
    with pytest.raises(openai.UnprocessableEntityError) as other_question:
        await client.chat.completions.create(**asking("Something else?"), **key)
    assert other_question.value.code == "idempotency_key_reused"


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("messages", {"messages": [{"role": "system", "content": "Be kind."}]}),
    ("messages[1].content", {"messages": [
        {"role": "system", "content": "Be kind."}, {"role": "user", "content": "  "},
    ]}),
    ("messages[0].content[1]", {"messages": [{"role": "user", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
    ]}]}),
    ("messages[0].role", {"messages": [{"role": "robot", "content": "x"}]}),
    ("tools", {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]}),
    ("response_format", {"response_format": {"type": "json_object"}}),
    ("n", {"n": 2}),
    ("store", {"store": False}),
    ("temperature", {"temperature": 3}),
    ("strongroom.document_ids", {"strongroom": {"document_ids": []}}),
    ("strongroom.purpos", {"strongroom": {"purpos": "research"}}),
    ("temprature", {"temprature": 0.1}),
]  # fmt: skip


@pytest.mark.parametrize(("param", "wrong"), WRONG, ids=[param for param, _ in WRONG])
async def test_a_bad_request_names_its_field_and_asks_nothing(
    client: AsyncOpenAI, asha: Person, param: str, wrong: dict[str, Any]
) -> None:
    before = json_of(await asha.http.get("/v1/conversations", params={"limit": 200}))
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(**asking(), extra_body=wrong)
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"
    assert json_of(await asha.http.get("/v1/conversations", params={"limit": 200})) == before


async def test_a_repeat_with_the_same_key_joins_the_run(client: AsyncOpenAI) -> None:
    key = {"extra_headers": {"Idempotency-Key": uuid4().hex}}
    first = await client.chat.completions.create(**asking(), **key)
    again = await client.chat.completions.create(**asking(), **key)
    assert again.id == first.id
    assert again.choices == first.choices


@pytest.mark.slow
async def test_heartbeats_do_not_trouble_the_client(slow: Program, cleo: Person) -> None:
    async with client_of(slow, cleo) as client:
        stream = await client.chat.completions.create(**asking(stream=True))
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices[0].finish_reason == "stop"
    raw = await cleo.http.post("/v1/chat/completions", json=asking(stream=True), timeout=60)
    assert raw.text.count("\n:\n\n") > 5  # they were there
    assert raw.text.endswith("data: [DONE]\n\n")
    assert "id:" not in raw.text.replace('"id":', "")


async def test_whoever_closes_a_stream_stops_the_answer(slow: Program, cleo: Person) -> None:
    async with client_of(slow, cleo) as client:
        stream = await client.chat.completions.create(**asking(stream=True))
        chunk = await anext(aiter(stream))
        run_id = chunk.id.removeprefix("chatcmpl-")
        assert (await run_of(cleo, run_id))["state"] == "running"
        await stream.close()
        assert (await until_over(cleo, run_id))["state"] == "cancelled"


async def test_whoever_gives_up_on_a_whole_answer_stops_it(slow: Program, cleo: Person) -> None:
    async with client_of(slow, cleo) as client:
        with pytest.raises(openai.APITimeoutError):
            await client.chat.completions.create(**asking(), timeout=1.0)
    listed = json_of(await cleo.http.get("/v1/conversations", params={"limit": 200}))
    last = listed["items"][-1]["id"]
    messages = json_of(await cleo.http.get(f"/v1/conversations/{last}/messages"))["items"]
    assert (await until_over(cleo, messages[1]["run_id"]))["state"] == "cancelled"


async def test_with_a_key_whoever_closes_may_come_back(slow: Program, cleo: Person) -> None:
    key = {"extra_headers": {"Idempotency-Key": uuid4().hex}}
    async with client_of(slow, cleo) as client:
        stream = await client.chat.completions.create(**asking(stream=True), **key)
        first = await anext(aiter(stream))
        await stream.close()
        again = await client.chat.completions.create(**asking(stream=True), **key)
        chunks = [chunk async for chunk in again]
    assert chunks[0] == first
    assert chunks[-1].choices[0].finish_reason == "stop"
    run = await run_of(cleo, first.id.removeprefix("chatcmpl-"))
    assert run["state"] == "completed"


async def test_a_run_that_is_stopped_elsewhere_is_an_error_not_an_answer(
    slow: Program, cleo: Person
) -> None:
    async with client_of(slow, cleo) as client:
        stream = await client.chat.completions.create(**asking(stream=True))
        first = await anext(aiter(stream))
        await cleo.http.post(f"/v1/runs/{first.id.removeprefix('chatcmpl-')}/cancel")
        with pytest.raises(openai.APIError) as stopped:
            async for _ in stream:
                pass
    assert stopped.value.code == "run_cancelled"


async def test_more_than_a_server_answers_at_once_is_refused_and_leaves_nothing(
    slow: Program, cleo: Person
) -> None:
    async with client_of(slow, cleo) as client:
        stream = await client.chat.completions.create(**asking(stream=True))
        first = await anext(aiter(stream))
        before = json_of(await cleo.http.get("/v1/conversations", params={"limit": 200}))
        with pytest.raises(openai.InternalServerError) as refused:
            await client.chat.completions.create(**asking())
        assert refused.value.status_code == 503
        assert refused.value.code == "too_many_runs"
        assert refused.value.response.headers["retry-after"]
        assert json_of(await cleo.http.get("/v1/conversations", params={"limit": 200})) == before
        await stream.close()
        await until_over(cleo, first.id.removeprefix("chatcmpl-"))


async def test_embeddings_are_rate_limited(slow: Program, cleo: Person) -> None:
    async with client_of(slow, cleo) as client:
        for _ in range(2):
            await client.embeddings.create(model=MiniLMEmbedder.model, input="x")
        with pytest.raises(openai.RateLimitError) as refused:
            await client.embeddings.create(model=MiniLMEmbedder.model, input="x")
    assert refused.value.type == "rate_limit_error"
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 60


@pytest.mark.slow
async def test_a_server_that_stops_does_not_pass_a_part_for_the_whole(
    built_models: Path, places: Callable[[], Path]
) -> None:
    program = Program(places(), models=built_models, extractive_words_per_second=5)
    async with ending(program):
        await program.start()
        async with signed_up(program, "Dora") as person, client_of(program, person) as client:
            await person.ready(LEASE, filename="lease.md")
            stream = await client.chat.completions.create(**asking(stream=True))
            await anext(aiter(stream))
            stopping = asyncio.create_task(program.stop())
            with pytest.raises((openai.APIConnectionError, httpx2.HTTPError)):
                async for _ in stream:
                    pass
            assert (await stopping)[0] == 0
