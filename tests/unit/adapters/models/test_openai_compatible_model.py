"""The adapter for Chat Completions against a real HTTP server that says what a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from adapters.models.openai_compatible import (
    LINE_BYTES_MAX,
    OpenAICompatibleModel,
    model_client,
)
from application.chat.language_model import (
    ModelFailed,
    ModelLimits,
    ModelRefused,
    ModelUnavailable,
    Piece,
    Spent,
    Text,
)
from domain.chat.prompt import compose
from domain.errors import Refusal

KEY = "sk-canary-key"
PROMPT = compose("canary question?", [], [])
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
OK = HEAD + b"Connection: close\r\n\r\n"

Say = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Answers every request with `say`, and remembers what it was asked."""

    say: Say
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        self.requests.append(head + await reader.readexactly(length))
        answering = asyncio.create_task(self._answer(writer))
        await reader.read()
        self.gone.set()
        answering.cancel()
        await asyncio.wait([answering])
        writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        await self.say(writer)
        await writer.drain()
        writer.close()


def chunk(text: str | None = None, **rest: object) -> bytes:
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, **rest}
    return b"data: " + json.dumps({"id": "x", "choices": [choice]}).encode() + b"\n\n"


def saying(*parts: bytes) -> Say:
    async def say(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return say


@asynccontextmanager
async def model_saying(say: Say) -> AsyncIterator[tuple[OpenAICompatibleModel, Server]]:
    server = Server(say)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0) as listening:
        server.port = listening.sockets[0].getsockname()[1]
        async with model_client() as client:
            url = f"http://127.0.0.1:{server.port}/v1/"
            yield (
                OpenAICompatibleModel(name="m", base_url=url, model="m", key=KEY, client=client),
                server,
            )


async def pieces(say: Say) -> list[Piece]:
    async with model_saying(say) as (model, _), asyncio.timeout(5):
        return [piece async for piece in model.stream(PROMPT, ModelLimits())]


async def test_pieces_come_as_they_are_sent_and_usage_at_the_end() -> None:
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
    say = saying(
        OK,
        b": a comment\n\n",
        chunk("Hel"),
        chunk("lo ")[:20],
        chunk("lo ")[20:],
        b"event: x\r\n" + chunk("wörld").replace(b"\n", b"\r\n"),
        chunk(finish_reason="stop"),
        usage,
        b"data: [DONE]\n\n",
    )
    assert await pieces(say) == [
        Text("Hel"),
        Text("lo "),
        Text("wörld"),
        Spent(input_tokens=3, output_tokens=2),
    ]


async def test_the_request_is_what_the_protocol_asks_for() -> None:
    async with model_saying(saying(OK, chunk("a", finish_reason="stop"))) as (model, server):
        assert [p async for p in model.stream(PROMPT, ModelLimits(output_tokens_max=9))]
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}".lower().encode() in head.lower()
    asked = json.loads(body)
    assert (asked["model"], asked["stream"], asked["max_tokens"]) == ("m", True, 9)
    assert [each["role"] for each in asked["messages"]] == ["system", "user"]


def status(code: int, *headers: bytes, body: bytes = b'{"error":"canary question"}') -> Say:
    head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nContent-Type: application/json\r\n" % (
        code,
        len(body),
    )
    return saying(head + b"".join(headers) + b"\r\n" + body)


@pytest.mark.parametrize(
    ("say", "refusal"),
    [
        (status(429, b"Retry-After: 7\r\n"), ModelUnavailable),
        (status(500), ModelUnavailable),
        (status(503), ModelUnavailable),
        (status(400), ModelRefused),
        (status(401), ModelRefused),
        (status(404), ModelRefused),
        (status(307, b"Location: http://127.0.0.1:1/\r\n"), ModelRefused),
        (status(200), ModelFailed),
        (saying(OK.replace(b"text/event-stream", b"text/html"), b"<p>"), ModelFailed),
        (
            saying(OK.replace(b"Connection", b"Content-Encoding: gzip\r\nConnection"), b"x"),
            ModelFailed,
        ),
        (saying(OK, chunk("a"), b"data: {not json\n\n"), ModelFailed),
        (saying(OK, chunk("a"), b'data: {"choices": 7}\n\n'), ModelFailed),
        (saying(OK, chunk("a"), b'data: {"choices":[{"delta":{"content":[]}}]}\n\n'), ModelFailed),
        (saying(OK, b'data: {"error":{"message":"canary"}}\n\n'), ModelFailed),
        (saying(OK, chunk("a"), chunk(finish_reason="content_filter")), ModelRefused),
        (saying(OK, chunk("a")), ModelFailed),
        (saying(OK, chunk("a")[:30]), ModelFailed),
        (saying(OK), ModelFailed),
        (saying(b"nonsense\r\n\r\n"), ModelFailed),
        (saying(b""), ModelFailed),
        (saying(OK, b"data: " + b"x" * (LINE_BYTES_MAX + 1)), ModelFailed),
        (saying(OK, b"x" * (LINE_BYTES_MAX + 1) + b"\n"), ModelFailed),
        (
            saying(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n40\r\n" + chunk("a")
            ),
            ModelFailed,
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
    if isinstance(refused.value, ModelUnavailable) and "429" in refused.value.message:
        assert refused.value.retry_after_seconds == 7


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
