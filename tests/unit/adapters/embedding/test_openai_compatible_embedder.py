"""The adapter for embeddings against a real HTTP server that says what a test wants."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest
from structlog.testing import capture_logs

from adapters.contracts.embedder import EmbedderContract, closeness
from adapters.embedding.openai_compatible import (
    EmbedderBusy,
    EmbedderRefused,
    EmbedderUnreadable,
    OpenAICompatibleEmbedder,
    embedding_client,
)
from application.retrieval.embedder import Embedder, EmbedderUnavailable
from tests.scripted_embeddings import (
    DIMENSIONS,
    Answer,
    EmbeddingServer,
    embedding_server,
    response,
    well,
)

KEY = "sk-canary-key"
TEXT = "canary text"


@asynccontextmanager
async def embedder_of(
    answer: Answer = lambda request: 0.0, **options: Any
) -> AsyncIterator[tuple[OpenAICompatibleEmbedder, EmbeddingServer]]:
    async with embedding_server(answer) as server, embedding_client() as client:
        settings: dict[str, Any] = {"first_pause_seconds": 0.01, "seconds_max": 5.0, **options}
        yield (
            OpenAICompatibleEmbedder(
                model="m@64",
                dimensions=DIMENSIONS,
                base_url=f"{server.url}/",
                served_model="m",
                key=KEY,
                client=client,
                **settings,
            ),
            server,
        )


class TestOpenAICompatibleEmbedder(EmbedderContract):
    neighbour_tolerance: ClassVar[float] = 1e-5

    @pytest.fixture
    async def embedder(self) -> AsyncIterator[Embedder]:
        async with embedder_of(characters_max=2_000) as (embedder, _):
            yield embedder


async def test_the_request_is_what_the_protocol_asks_for() -> None:
    options = {"ask_for_dimensions": True, "query_prefix": "query: ", "passage_prefix": "passage: "}
    async with embedder_of(**options) as (embedder, server):
        await embedder.embed_query("when?")
        await embedder.embed_passages(["a\x00b", " ", "x" * 9_000])
    head, asked = server.requests[0].head, server.requests[0].asked
    assert head.startswith(b"POST /v1/embeddings HTTP/1.1\r\n")
    assert f"Authorization: Bearer {KEY}".lower().encode() in head.lower()
    assert asked == {
        "model": "m", "input": ["query: when?"], "encoding_format": "float", "dimensions": 64,
    }  # fmt: skip
    assert server.requests[1].texts == ["passage: a b", "passage:  ", f"passage: {'x' * 7_991}"]


async def test_many_passages_go_in_batches_some_at_a_time() -> None:
    texts = [f"passage {number}" for number in range(53)]
    async with embedder_of(lambda request: 0.02, texts_at_once=8, requests_at_once=3) as (
        embedder,
        server,
    ):
        vectors = await embedder.embed_passages(texts)
        expected = await server.embedder.embed_passages(texts)
    assert [round(closeness(a, b), 4) for a, b in zip(vectors, expected, strict=True)] == [1.0] * 53
    assert [len(each.texts) for each in server.requests] == [8, 8, 8, 8, 8, 8, 5]
    assert server.at_once_most == 3


def _vectors(**row: Any) -> bytes:
    told = {"index": 0, "embedding": [1.0] * DIMENSIONS} | row
    return response(json.dumps({"data": [told]}))


FAULTS: dict[str, tuple[bytes | float | None, type[EmbedderUnavailable]]] = {
    "429": (response('{"error":"canary text"}', 429), EmbedderBusy),
    "500": (response("canary text", 500), EmbedderBusy),
    "503": (response("", 503, "Retry-After: 0"), EmbedderBusy),
    "408": (response("", 408), EmbedderBusy),
    "400": (response('{"error":"canary text"}', 400), EmbedderRefused),
    "401": (response("", 401), EmbedderRefused),
    "404": (response("", 404), EmbedderRefused),
    "redirect": (response("", 307, "Location: http://127.0.0.1:1/"), EmbedderRefused),
    "reset": (None, EmbedderBusy),
    "stall": (30.0, EmbedderBusy),
    "nonsense": (b"canary text\r\n\r\n", EmbedderBusy),
    "cut": (response("x" * 100)[:-50], EmbedderBusy),
    "not json": (response("{canary text"), EmbedderUnreadable),
    "empty": (response(""), EmbedderUnreadable),
    "nested": (response("[" * 100_000), EmbedderUnreadable),
    "html": (response("<p>canary text</p>"), EmbedderUnreadable),
    "no vector": (response('{"data":[]}'), EmbedderUnreadable),
    "two vectors": (well([[1.0] * DIMENSIONS] * 2), EmbedderUnreadable),
    "wrong index": (_vectors(index=1), EmbedderUnreadable),
    "short": (_vectors(embedding=[1.0] * (DIMENSIONS - 1)), EmbedderUnreadable),
    "long": (_vectors(embedding=[1.0] * (DIMENSIONS + 1)), EmbedderUnreadable),
    "no numbers": (_vectors(embedding=["1"] * DIMENSIONS), EmbedderUnreadable),
    "zero": (_vectors(embedding=[0.0] * DIMENSIONS), EmbedderUnreadable),
    "not a number": (
        response('{"data":[{"index":0,"embedding":[NaN' + ",1" * 63 + "]}]}"), EmbedderUnreadable,
    ),
    "infinite": (
        response('{"data":[{"index":0,"embedding":[1e999' + ",1" * 63 + "]}]}"), EmbedderUnreadable,
    ),
    "overflowing": (_vectors(embedding=[1e308] * DIMENSIONS), EmbedderUnreadable),
    "endless": (response("9" * 1024**2), EmbedderUnreadable),
    "compressed": (response("x", 200, "Content-Encoding: gzip"), EmbedderUnreadable),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_fault_is_a_clear_refusal_that_tells_no_secret(fault: str) -> None:
    told, refusal = FAULTS[fault]
    seconds = {"seconds_max": 1.0} if fault in ("stall", "cut") else {}
    async with embedder_of(lambda request: told, **seconds) as (embedder, server):
        with capture_logs() as logs, pytest.raises(refusal) as refused:
            await embedder.embed_query(TEXT)
        assert len(server.requests) == 1, "a query is asked for once"
        seen = f"{refused.value!r} {refused.value} {refused.value.__cause__!r} {logs} {embedder!r}"
        assert "canary" not in seen
        assert KEY not in seen
        server.answer = lambda request: 0.0
        assert len(await embedder.embed_query(TEXT)) == DIMENSIONS, "and it goes on afterwards"


@pytest.mark.parametrize("fault", ["429", "500", "503", "reset", "stall", "cut"])
async def test_passages_are_asked_for_again(fault: str) -> None:
    told, _ = FAULTS[fault]
    async with embedder_of(
        lambda request: told if request.number < 2 else 0.0, seconds_max=1.0
    ) as (embedder, server):
        (vector,) = await embedder.embed_passages([TEXT])
    assert math.isclose(closeness(vector, vector), 1, abs_tol=1e-5)
    assert len(server.requests) == 3


@pytest.mark.parametrize(("fault", "attempts"), [("500", 4), ("400", 1), ("short", 1)])
async def test_attempts_are_bounded_and_made_only_where_they_may_help(
    fault: str, attempts: int
) -> None:
    told, refusal = FAULTS[fault]
    async with embedder_of(lambda request: told) as (embedder, server):
        with pytest.raises(refusal):
            await embedder.embed_passages([TEXT])
    assert len(server.requests) == attempts


async def test_a_server_that_asks_for_rest_gets_it() -> None:
    busy = response("", 429, "Retry-After: 1")
    async with embedder_of(lambda request: 0.0 if request.number else busy) as (embedder, server):
        began = time.monotonic()
        await embedder.embed_passages([TEXT])
    assert 0.9 < time.monotonic() - began < 9
    assert len(server.requests) == 2


async def test_whoever_gives_up_hangs_up() -> None:
    async with embedder_of(lambda request: 30.0) as (embedder, server):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await embedder.embed_passages([TEXT] * 100)
        assert server.requests


async def test_nobody_listens() -> None:
    async with embedder_of() as (embedder, server):
        port = server.port
    async with embedding_client() as client:
        absent = OpenAICompatibleEmbedder(
            model="m", dimensions=2, base_url=f"http://127.0.0.1:{port}/v1", served_model="m",
            key=None, client=client, first_pause_seconds=0.01,
        )  # fmt: skip
        with pytest.raises(EmbedderBusy):
            await absent.embed_passages([TEXT])
    assert embedder.model == "m@64"
