"""An embedder behind an OpenAI-compatible embeddings API: hosted, TEI, vLLM, llama.cpp, Ollama.

Neither a text nor the key is ever part of an error or of a log, nor is what the server says about
an error: it may repeat the text.
"""

from __future__ import annotations

import asyncio
import math
import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx2
import msgspec

from application.retrieval.embedder import EmbedderUnavailable, Vector
from domain.language import Language

CONNECT_SECONDS_MAX = 5.0
FIRST_PAUSE_SECONDS = 0.5
PAUSE_SECONDS_MAX = 10.0
"""Between two attempts, whatever the server asks for: whoever can wait longer asks again later."""

NUMBER_BYTES_MAX = 32
"""That one number of a response takes, with what stands around it."""

_BLANK = "."
"""In place of a text without a visible character, which servers refuse."""


class EmbedderRefused(EmbedderUnavailable):
    """The embedding server does not do what it is asked."""

    code = "embedder_refused"


class EmbedderUnreadable(EmbedderUnavailable):
    """What the embedding server answers is not what was asked for."""

    code = "embedder_unreadable"


class EmbedderBusy(EmbedderUnavailable):
    """The embedding server does not answer now, and may soon. `rest_seconds`: it asked for that."""

    code = "embedder_busy"

    def __init__(self, message: str, *, rest_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.rest_seconds = rest_seconds


class _Embedding(msgspec.Struct):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct):
    data: list[_Embedding]


def embedding_client(transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """A client for embedders: no proxy from the environment, no redirects."""
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(connect=CONNECT_SECONDS_MAX, read=60.0, write=30.0, pool=30.0),
        limits=httpx2.Limits(max_connections=128, max_keepalive_connections=16),
        transport=transport,
        follow_redirects=False,
        trust_env=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAICompatibleEmbedder:
    """`Embedder`. `base_url` ends before `/embeddings`; `served_model` is the server's name for it.

    Passages go `texts_at_once` in a request and `requests_at_once` at a time; a request that fails
    for now is repeated, `attempts_max` times in all with longer and longer pauses, for
    `seconds_max` each at most. A query is asked for once: whoever searches is in a hurry. Texts
    beyond `characters_max` are cut. `languages` None: it reads all.
    """

    model: str
    dimensions: int
    base_url: str
    served_model: str
    key: str | None = field(repr=False)
    client: httpx2.AsyncClient = field(repr=False)
    ask_for_dimensions: bool = False
    query_prefix: str = ""
    passage_prefix: str = ""
    languages: frozenset[Language] | None = None
    characters_max: int = 8_000
    texts_at_once: int = 32
    requests_at_once: int = 2
    attempts_max: int = 4
    seconds_max: float = 60.0
    first_pause_seconds: float = FIRST_PAUSE_SECONDS

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        vectors: list[Vector] = []
        stride = self.texts_at_once * self.requests_at_once
        for start in range(0, len(texts), stride):
            some = [self.passage_prefix + text for text in texts[start : start + stride]]
            batches = [
                some[first : first + self.texts_at_once]
                for first in range(0, len(some), self.texts_at_once)
            ]
            try:
                async with asyncio.TaskGroup() as group:
                    asked = [group.create_task(self._insisting(batch)) for batch in batches]
            except* EmbedderUnavailable as failures:
                failure = failures.exceptions[0]
            else:
                vectors += [vector for task in asked for vector in task.result()]
                continue
            raise failure
        return vectors

    async def embed_query(self, text: str) -> Vector:
        (vector,) = await self._once([self.query_prefix + text])
        return vector

    async def close(self) -> None:
        await self.client.aclose()

    async def _insisting(self, texts: Sequence[str]) -> list[Vector]:
        for attempt in range(1, self.attempts_max):
            try:
                return await self._once(texts)
            except EmbedderBusy as busy:
                doubled = self.first_pause_seconds * 2.0 ** (attempt - 1)
                # Not all at the same moment: many were refused together.
                pause = max(busy.rest_seconds, doubled * random.uniform(0.5, 1.0))  # noqa: S311
                await asyncio.sleep(min(pause, PAUSE_SECONDS_MAX))
        return await self._once(texts)

    async def _once(self, texts: Sequence[str]) -> list[Vector]:
        try:
            async with asyncio.timeout(self.seconds_max):
                body = await self._post([self._readable(text) for text in texts])
        except (TimeoutError, httpx2.TimeoutException):
            raise EmbedderBusy("The embedding server takes too long.") from None
        except httpx2.HTTPError:  # its cause may hold the request
            raise EmbedderBusy("The embedding server cannot be reached, or hung up.") from None
        # On a thread: the numbers of many texts take some milliseconds, and searches would wait.
        return await asyncio.to_thread(self._vectors, body, len(texts))

    async def _post(self, texts: Sequence[str]) -> bytes:
        asked: dict[str, object] = {
            "model": self.served_model,
            "input": texts,
            "encoding_format": "float",
        }
        if self.ask_for_dimensions:
            asked["dimensions"] = self.dimensions
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        async with self.client.stream(
            "POST",
            f"{self.base_url.rstrip('/')}/embeddings",
            headers=headers,
            content=msgspec.json.encode(asked),
        ) as response:
            _assert_answering(response)
            bytes_max = 64 * 1024 + len(texts) * self.dimensions * NUMBER_BYTES_MAX
            body = bytearray()
            async for part in response.aiter_raw():
                body += part
                if len(body) > bytes_max:
                    raise EmbedderUnreadable("The embedding server answers at too great length.")
        return bytes(body)

    def _readable(self, text: str) -> str:
        """Cut, and without what JSON and UTF-8 do not know."""
        cut = text[: self.characters_max].encode("utf-8", "replace").decode()
        cut = cut.replace("\x00", " ")
        return cut if cut.strip() else _BLANK

    def _vectors(self, body: bytes, count: int) -> list[Vector]:
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except (msgspec.DecodeError, RecursionError):
            raise EmbedderUnreadable(
                "The embedding server does not answer in its format."
            ) from None
        by_index = {each.index: each.embedding for each in answer.data}
        if len(answer.data) != count or by_index.keys() != set(range(count)):
            raise EmbedderUnreadable(f"{len(answer.data)} vectors came for {count} texts.")
        return [self._normalised(by_index[index]) for index in range(count)]

    def _normalised(self, numbers: Sequence[float]) -> Vector:
        if len(numbers) != self.dimensions:
            raise EmbedderUnreadable(
                f"Vectors of {len(numbers)} dimensions came, and {self.dimensions} were expected."
            )
        length = math.hypot(*numbers)
        if not (math.isfinite(length) and length > 0):
            raise EmbedderUnreadable("A vector came that has no direction.")
        return array("f", (number / length for number in numbers))


def _assert_answering(response: httpx2.Response) -> None:
    status = response.status_code
    told = f"The embedding server answered with status {status}."
    if status in (408, 425, 429) or status >= 500:
        raise EmbedderBusy(told, rest_seconds=_retry_after(response))
    if status in (401, 403):
        raise EmbedderRefused(f"The embedding server does not accept our key: status {status}.")
    if status != 200:
        raise EmbedderRefused(f"The embedding server refused the request with status {status}.")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise EmbedderUnreadable("The embedding server answered in a compressed form.")


def _retry_after(response: httpx2.Response) -> float:
    """Seconds; 0 where it does not say."""
    value = response.headers.get("retry-after", "")
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        return 0.0
    return min(float(value), PAUSE_SECONDS_MAX)
