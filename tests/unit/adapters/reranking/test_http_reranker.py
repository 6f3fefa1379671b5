"""A reranker behind HTTP: what it is sent, what is taken from it, and what is made of trouble."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.contracts.reranker import RerankerContract
from adapters.memory.reranker import OverlapReranker
from adapters.reranking.http_rerank import HttpReranker, rerank_client
from application.retrieval.reranker import Reranker, RerankerTooSlow, RerankerUnavailable
from domain.breaker import Breaker, BreakerLimits

Json = dict[str, Any]
OVERLAP = OverlapReranker()


@dataclass
class Model:
    """A server that scores as OverlapReranker does, or answers what it was told to."""

    answer: Callable[[], tuple[int, bytes]] | None = None
    pause_seconds: float = 0.0
    heard: list[tuple[str, Json]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        (length,) = [
            int(line.partition(":")[2])
            for line in head.split("\r\n")
            if line.lower().startswith("content-length")
        ]
        body = json.loads(await reader.readexactly(length))
        self.heard.append((head, body))
        await asyncio.sleep(self.pause_seconds)
        status, content = self.answer() if self.answer else (200, await _scored(body))
        told = f"HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"
        writer.write(told.encode() + content)
        writer.close()


async def _scored(body: Json) -> bytes:
    texts = body["texts"] if "texts" in body else body["documents"]
    scores = enumerate(await OVERLAP.rerank(body["query"], texts))
    best_first = sorted(scores, key=lambda each: -each[1])
    if "texts" in body:
        told: Any = [{"index": place, "score": score} for place, score in best_first]
    else:
        told = {
            "results": [{"index": place, "relevance_score": score} for place, score in best_first],
            "usage": {"total_tokens": 7},
        }
    return json.dumps(told).encode()


@pytest.fixture
async def model() -> AsyncIterator[Model]:
    model = Model()
    server = await asyncio.start_server(model.serve, "127.0.0.1", 0)
    model.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    yield model
    server.close()


Made = Callable[..., HttpReranker]


@pytest.fixture
async def made(model: Model) -> AsyncIterator[Made]:
    opened: list[HttpReranker] = []

    def make(**options: Any) -> HttpReranker:
        options = {"model": "ranker-1", "http": rerank_client(), **options}
        opened.append(HttpReranker(base_url=model.url, **options))
        return opened[-1]

    yield make
    for each in opened:
        await each.close()


class TestOverlapReranker(RerankerContract):
    @pytest.fixture
    def reranker(self) -> Reranker:
        return OVERLAP


@pytest.mark.parametrize("shape", ["cohere", "tei"])
class TestHttpReranker(RerankerContract):
    @pytest.fixture
    def reranker(self, made: Made, shape: str) -> Reranker:
        return made(shape=shape)


async def test_it_is_sent_the_question_and_the_passages_and_the_key_in_a_header(
    model: Model, made: Made
) -> None:
    reranker = made(key="sesame")
    assert await reranker.rerank("a b", ["a", "a b", "c"]) == [0.5, 1.0, 0.0]
    ((head, body),) = model.heard
    assert head.startswith("POST /v1/rerank HTTP/1.1")
    assert "authorization: bearer sesame" in head.lower()
    assert body == {
        "model": "ranker-1",
        "query": "a b",
        "documents": ["a", "a b", "c"],
        "top_n": 3,
        "return_documents": False,
    }
    assert "sesame" not in repr(reranker)


async def test_what_is_sent_is_bounded(model: Model, made: Made) -> None:
    await made(shape="tei").rerank("q" * 10_000, ["p" * 100_000])
    assert len(model.heard[0][1]["query"]) == 2_000
    assert len(model.heard[0][1]["texts"][0]) == 8_000


def _results(*told: tuple[int, Any]) -> bytes:
    results = [{"index": place, "relevance_score": score} for place, score in told]
    return json.dumps({"results": results}).encode()


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (500, b"the canary"),
        (429, b""),
        (302, b""),
        (200, b"not json, canary"),
        (200, b"null"),
        (200, b'{"results":[]}'),
        (200, _results((0, 0.1))),
        (200, _results((0, 0.1), (0, 0.2))),
        (200, _results((0, 0.1), (1, 0.2), (1, 0.3))),
        (200, _results((0, 0.1), (2, 0.2))),
        (200, _results((0, 0.1), (-1, 0.2))),
        (200, _results((0, 0.1), (1, "canary"))),
        (200, _results((0, 0.1), (1, None))),
        (200, b'{"results":[{"index":0,"relevance_score":1e999},{"index":1,"relevance_score":0}]}'),
        (200, b" " * (1024 * 1024 + 1)),
    ],
)
async def test_what_is_no_answer_is_an_outage_that_quotes_nothing(
    model: Model, made: Made, status: int, content: bytes
) -> None:
    model.answer = lambda: (status, content)
    with pytest.raises(RerankerUnavailable) as outage:
        await made().rerank("a", ["a canary", "b"])
    assert outage.value.__cause__ is None
    assert "canary" not in str(outage.value)


async def test_who_does_not_answer_is_waited_for_so_long_and_then_left_alone(
    model: Model, made: Made
) -> None:
    model.pause_seconds = 30.0
    limits = BreakerLimits(failures_max=3, open_seconds=60.0)
    reranker = made(seconds_max=0.2, breaker=Breaker(limits=limits))
    for _ in range(3):
        with pytest.raises(RerankerTooSlow):
            await reranker.rerank("a", ["a"])
    asked = len(model.heard)
    for _ in range(20):
        with pytest.raises(RerankerUnavailable):
            await reranker.rerank("a", ["a"])
    assert len(model.heard) == asked == 3


async def test_who_comes_back_is_asked_again(model: Model, made: Made) -> None:
    model.answer = lambda: (503, b"")
    limits = BreakerLimits(failures_max=1, open_seconds=0.05)
    reranker = made(breaker=Breaker(limits=limits))
    with pytest.raises(RerankerUnavailable):
        await reranker.rerank("a", ["a"])
    model.answer = None
    await asyncio.sleep(0.06)
    assert await reranker.rerank("a", ["a"]) == [1.0]
    assert reranker.breaker.failures == 0


async def test_who_is_not_there_is_an_outage(made: Made, model: Model) -> None:
    reranker = made()
    reranker.base_url = "http://127.0.0.1:1"
    with pytest.raises(RerankerUnavailable):
        await reranker.rerank("a", ["a"])
