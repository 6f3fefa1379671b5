"""The adapter for Chat Completions against a real HTTP server that says what a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import TypeAdapter
from structlog.testing import capture_logs

from adapters.models.openai_compatible import (
    LINE_BYTES_MAX,
    RETRY_AFTER_SECONDS_MAX,
    OpenAICompatibleModel,
    model_client,
)
from application.chat.language_model import (
    CutOff,
    ModelBrokeOff,
    ModelFailed,
    ModelLimits,
    ModelLockedOut,
    ModelOverloaded,
    ModelRefused,
    ModelUnavailable,
    ModelUnreadable,
    Piece,
    Spent,
    Text,
)
from domain.chat.message import MessageRole
from domain.chat.prompt import Turn, compose
from domain.errors import Refusal
from tests.scripted_upstream import (
    DONE,
    OK,
    Say,
    Upstream,
    chunk,
    cutting,
    saying,
    status,
    upstream,
    usage,
)

KEY = "sk-canary-key"
PROMPT = compose("canary question?", [], [])


@asynccontextmanager
async def model_saying(say: Say) -> AsyncIterator[tuple[OpenAICompatibleModel, Upstream]]:
    async with upstream(say) as server, model_client() as client:
        yield (
            OpenAICompatibleModel(
                name="m", base_url=f"{server.url}/", model="m", key=KEY, client=client
            ),
            server,
        )


async def pieces(say: Say) -> list[Piece]:
    async with model_saying(say) as (model, _), asyncio.timeout(5):
        return [piece async for piece in model.stream(PROMPT, ModelLimits())]


async def test_pieces_come_as_they_are_sent_and_usage_at_the_end() -> None:
    say = saying(
        OK,
        b": a comment\n\n",
        chunk("Hel"),
        chunk("lo ")[:20],
        chunk("lo ")[20:],
        b"event: x\r\n" + chunk("wörld").replace(b"\n", b"\r\n"),
        chunk(finish_reason="stop"),
        usage(3, 2),
        DONE,
    )
    assert await pieces(say) == [
        Text("Hel"),
        Text("lo "),
        Text("wörld"),
        Spent(input_tokens=3, output_tokens=2),
    ]


async def test_an_answer_that_came_to_its_limit_is_said_to_be_cut_off() -> None:
    say = saying(OK, chunk("Hel"), chunk(finish_reason="length"), usage(3, 1), DONE)
    assert await pieces(say) == [Text("Hel"), CutOff(), Spent(input_tokens=3, output_tokens=1)]


async def test_the_request_is_what_the_protocol_asks_for() -> None:
    async with model_saying(saying(OK, chunk("a", finish_reason="stop"))) as (model, server):
        assert [p async for p in model.stream(PROMPT, ModelLimits(output_tokens_max=9))]
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}".lower().encode() in head.lower()
    asked = json.loads(body)
    assert (asked["model"], asked["stream"], asked["max_tokens"]) == ("m", True, 9)
    assert [each["role"] for each in asked["messages"]] == ["system", "user"]


@pytest.mark.parametrize(
    ("say", "refusal"),
    [
        (status(429, b"Retry-After: 7\r\n"), ModelOverloaded),
        (status(429, b"Retry-After: 9\r\nRetry-After: 9\r\n"), ModelOverloaded),
        (status(429, b"Retry-After: " + b"9" * 40 + b"\r\n"), ModelOverloaded),
        (status(408), ModelUnavailable),
        (status(500), ModelUnavailable),
        (status(503), ModelUnavailable),
        (status(400), ModelRefused),
        (status(401), ModelLockedOut),
        (status(403), ModelLockedOut),
        (status(404), ModelRefused),
        (status(307, b"Location: http://127.0.0.1:1/\r\n"), ModelRefused),
        (status(200), ModelUnreadable),
        (saying(OK.replace(b"text/event-stream", b"text/html"), b"<p>"), ModelUnreadable),
        (
            saying(OK.replace(b"Connection", b"Content-Encoding: gzip\r\nConnection"), b"x"),
            ModelUnreadable,
        ),
        (saying(OK, chunk("a"), b"data: {not json\n\n"), ModelUnreadable),
        (saying(OK, chunk("a"), b'data: {"choices": 7}\n\n'), ModelUnreadable),
        (
            saying(OK, chunk("a"), b'data: {"choices":[{"delta":{"content":[]}}]}\n\n'),
            ModelUnreadable,
        ),
        (saying(OK, b'data: {"error":{"message":"canary"}}\n\n'), ModelFailed),
        (saying(OK, chunk("a"), chunk(finish_reason="content_filter")), ModelRefused),
        (saying(OK, chunk("a")), ModelBrokeOff),
        (saying(OK, chunk("a")[:30]), ModelUnreadable),
        (saying(OK), ModelBrokeOff),
        (saying(b"nonsense\r\n\r\n"), ModelBrokeOff),
        (saying(b""), ModelBrokeOff),
        (cutting(OK, chunk("a")), ModelBrokeOff),
        (saying(OK, b"data: " + b"x" * (LINE_BYTES_MAX + 1)), ModelUnreadable),
        (saying(OK, b"x" * (LINE_BYTES_MAX + 1) + b"\n"), ModelUnreadable),
        (
            saying(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n40\r\n" + chunk("a")
            ),
            ModelBrokeOff,
        ),
    ],
)
async def test_every_fault_is_a_clear_refusal_that_tells_no_secret(
    say: Say, refusal: type[Refusal]
) -> None:
    with capture_logs() as logs, pytest.raises(refusal) as refused:
        await pieces(say)
    causes = f"{refused.value!r} {refused.value.__cause__!r} {logs!r}"
    assert "canary" not in causes
    assert type(refused.value) is refusal


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((), 0),
        ((b"Retry-After: 7\r\n",), 7),
        ((b"Retry-After: 86400\r\n",), RETRY_AFTER_SECONDS_MAX),
        ((b"Retry-After: " + b"9" * 40 + b"\r\n",), 0),
        ((b"Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n",), 0),
        ((b"Retry-After: -5\r\n",), 0),
    ],
)
async def test_a_server_that_asks_to_be_left_alone_is_understood(
    headers: tuple[bytes, ...], seconds: int
) -> None:
    for code in (429, 503):
        with pytest.raises(ModelUnavailable) as refused:
            await pieces(status(code, *headers))
        assert refused.value.rest_seconds == seconds


@pytest.mark.parametrize(
    ("told", "spent"),
    [
        (usage(3, 2), Spent(input_tokens=3, output_tokens=2)),
        (
            usage(9, 2, prompt_tokens_details={"cached_tokens": 4}),
            Spent(input_tokens=9, output_tokens=2, cached_tokens=4),
        ),
        (
            usage(9, 2, prompt_tokens_details={"cached_tokens": None}),
            Spent(input_tokens=9, output_tokens=2),
        ),
        (b"", None),
        (usage(-1, 2), None),
        (usage(10**30, 2), None),
        (usage("many", 2), None),
        (b'data: {"choices":[],"usage":null}\n\n', None),
        (b'data: {"choices":[],"usage":[]}\n\n', None),
    ],
)
async def test_what_it_took_is_read_where_it_makes_sense_and_no_answer_is_lost_for_it(
    told: bytes, spent: Spent | None
) -> None:
    whole = saying(OK, chunk("a"), chunk(finish_reason="stop"), told, DONE)
    assert await pieces(whole) == [Text("a"), *([] if spent is None else [spent])]


async def test_a_line_that_drips_in_is_read_in_time_that_grows_with_its_length() -> None:
    line = chunk("x" * 20_000, finish_reason="stop")
    drips = saying(OK, *(line[at : at + 10] for at in range(0, len(line), 10)))
    assert await pieces(drips) == [Text("x" * 20_000)]


async def test_what_is_asked_is_what_openais_own_client_could_ask() -> None:
    async with model_saying(saying(OK, chunk("a", finish_reason="stop"))) as (model, server):
        turn = Turn(role=MessageRole.USER, text="before")
        asked = compose("question?", [turn], [])
        assert [piece async for piece in model.stream(asked, ModelLimits())]
    body = json.loads(server.requests[0].partition(b"\r\n\r\n")[2])
    parameters: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsStreaming)
    read = parameters.validate_python(body)
    assert set(read) == set(body)


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with model_client() as client:
        model = OpenAICompatibleModel(
            name="m", base_url="http://127.0.0.1:1/v1", model="m", key=None, client=client
        )
        with pytest.raises(ModelUnavailable):
            await anext(model.stream(PROMPT, ModelLimits()))


async def stalling(writer: asyncio.StreamWriter) -> None:
    writer.write(OK + chunk("a"))
    await writer.drain()
    await asyncio.sleep(60)


async def test_closing_the_answer_stops_the_model() -> None:
    async with model_saying(stalling) as (model, server):
        async with aclosing(model.stream(PROMPT, ModelLimits())) as answer:
            assert await anext(answer) == Text("a")
        async with asyncio.timeout(2):
            await server.gone.wait()


async def test_a_deadline_around_a_stalled_answer_stops_the_model() -> None:
    async with model_saying(stalling) as (model, server):
        async with aclosing(model.stream(PROMPT, ModelLimits())) as answer:
            await anext(answer)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await anext(answer)
        async with asyncio.timeout(2):
            await server.gone.wait()


def test_the_key_is_in_no_description_of_the_model() -> None:
    model = OpenAICompatibleModel(
        name="m", base_url="http://x", model="m", key=KEY, client=model_client()
    )
    assert KEY not in repr(model)
