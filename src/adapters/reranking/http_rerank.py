"""A reranker behind `POST /rerank`, in the two shapes that there are of it.

`cohere`: Cohere's, which Jina, Voyage's proxies, vLLM and llama.cpp speak as well. `tei`: that of
Text Embeddings Inference. Neither what was sent nor what was answered is part of an error or a log.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

import httpx2
import msgspec
from msgspec import Meta

from application.retrieval.reranker import RerankerTooSlow, RerankerUnavailable
from domain.breaker import Breaker

ANSWER_BYTES_MAX = 1024 * 1024
PASSAGE_CHARACTERS_MAX = 8_000
QUESTION_CHARACTERS_MAX = 2_000

Shape = Literal["cohere", "tei"]
_Index = Annotated[int, Meta(ge=0)]


class _Result(msgspec.Struct):
    index: _Index
    relevance_score: float


class _Results(msgspec.Struct):
    results: list[_Result]


class _Rank(msgspec.Struct):
    index: _Index
    score: float


def rerank_client() -> httpx2.AsyncClient:
    """No proxy from the environment, no redirects: text goes to the named address alone."""
    return httpx2.AsyncClient(
        timeout=None,  # every request has a limit of its own
        limits=httpx2.Limits(max_connections=32),
        follow_redirects=False,
        trust_env=False,
    )


@dataclass(slots=True, kw_only=True)
class HttpReranker:
    """`Reranker`. `base_url` ends before /rerank. One request for each call, never repeated: who
    asked has a ranking already. After some failures in a row it is left alone for a while, and
    says so at once.
    """

    base_url: str
    model: str
    http: httpx2.AsyncClient = field(repr=False)
    shape: Shape = "cohere"
    key: str | None = field(default=None, repr=False)
    seconds_max: float = 2.0
    breaker: Breaker = field(default_factory=Breaker, repr=False)

    async def rerank(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        if not passages:
            return []
        now = asyncio.get_running_loop().time
        if not self.breaker.admits(now()):
            raise RerankerUnavailable
        self.breaker = self.breaker.called(now())
        try:
            scores = await self._asked(question, passages)
        except RerankerUnavailable:
            self.breaker = self.breaker.failed(now())
            raise
        except BaseException:
            self.breaker = self.breaker.given_up()
            raise
        self.breaker = self.breaker.succeeded()
        return scores

    async def close(self) -> None:
        await self.http.aclose()

    async def _asked(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        request = self.http.build_request(
            "POST",
            f"{self.base_url.rstrip('/')}/rerank",
            headers=headers,
            content=msgspec.json.encode(self._body(question, passages)),
        )
        try:
            async with asyncio.timeout(self.seconds_max):
                response = await self.http.send(request, stream=True)
                try:
                    content = await _bounded(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise RerankerTooSlow from None
        except httpx2.HTTPError:
            raise RerankerUnavailable from None  # the cause may hold the request
        if response.status_code != httpx2.codes.OK:
            raise RerankerUnavailable
        return _scores(self._read(content), len(passages))

    def _body(self, question: str, passages: Sequence[str]) -> dict[str, object]:
        query = _sendable(question)[:QUESTION_CHARACTERS_MAX]
        texts = [_sendable(each)[:PASSAGE_CHARACTERS_MAX] for each in passages]
        if self.shape == "tei":
            return {"query": query, "texts": texts, "raw_scores": True, "truncate": True}
        return {
            "model": self.model,
            "query": query,
            "documents": texts,
            "top_n": len(texts),
            "return_documents": False,
        }

    def _read(self, content: bytes) -> list[tuple[int, float]]:
        try:
            if self.shape == "tei":
                ranks = msgspec.json.decode(content, type=list[_Rank])
                return [(each.index, each.score) for each in ranks]
            told = msgspec.json.decode(content, type=_Results)
            return [(each.index, each.relevance_score) for each in told.results]
        except (msgspec.MsgspecError, ValueError):
            raise RerankerUnavailable from None  # the cause would quote the answer


def _scores(told: Sequence[tuple[int, float]], count: int) -> list[float]:
    """By the places of the passages, each of which has to be told of once."""
    scores = dict(told)
    if len(told) != count or scores.keys() != set(range(count)):
        raise RerankerUnavailable
    if not all(map(math.isfinite, scores.values())):
        raise RerankerUnavailable
    return [scores[place] for place in range(count)]


async def _bounded(response: httpx2.Response) -> bytes:
    content = bytearray()
    async for piece in response.aiter_raw():
        content += piece
        if len(content) > ANSWER_BYTES_MAX:
            raise RerankerUnavailable
    return bytes(content)


def _sendable(text: str) -> str:
    """Half a surrogate pair cannot be sent; nothing that was stored has one."""
    return text.encode("utf-8", "replace").decode()
