"""A model behind an OpenAI-compatible Chat Completions API: hosted ones, vLLM, llama.cpp, Ollama.

Neither the prompt nor the key is ever part of an error or of a log, nor is what the server says
about an error: it may repeat the prompt.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, NoReturn

import httpx2
import msgspec
from msgspec import Meta

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
from domain.chat.prompt import Prompt

LINE_BYTES_MAX = 256 * 1024
CONNECT_SECONDS_MAX = 10.0
RETRY_AFTER_SECONDS_MAX = 300


class _Said(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Said = msgspec.field(default_factory=_Said)
    finish_reason: str | None = None


_Count = Annotated[int, Meta(ge=0, le=2**31 - 1)]


class _Details(msgspec.Struct):
    cached_tokens: _Count | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: _Count
    completion_tokens: _Count
    prompt_tokens_details: _Details | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


def model_client(transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """A client for models: no proxy from the environment, no limit between pieces of its own.

    Time limits are the run's: they differ before and after the first piece.
    """
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(connect=CONNECT_SECONDS_MAX, read=None, write=30.0, pool=10.0),
        limits=httpx2.Limits(max_connections=512, max_keepalive_connections=32),
        transport=transport,
        follow_redirects=False,
        trust_env=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAICompatibleModel:
    """`LanguageModel`. `base_url` ends before `/chat/completions`; `model` is the server's name for
    it. Closing the generator closes the response, and with it stops the model.

    `tokens_field` names the limit of the answer: some servers know it as `max_completion_tokens`.
    """

    name: str
    base_url: str
    model: str
    key: str | None = field(repr=False)
    client: httpx2.AsyncClient
    tokens_field: str = "max_tokens"
    temperature: float | None = None
    marks_sources: bool = True
    is_metered: bool = True

    async def stream(self, prompt: Prompt, limits: ModelLimits) -> AsyncGenerator[Piece, None]:
        headers = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        try:
            async with self.client.stream(
                "POST",
                f"{self.base_url.rstrip('/')}/chat/completions",
                headers=headers | {"Content-Type": "application/json"},
                content=msgspec.json.encode(self._request(prompt, limits)),
            ) as response:
                _assert_streaming(response)
                async for piece in _pieces(response):
                    yield piece
        except (httpx2.ConnectError, httpx2.TimeoutException, httpx2.PoolTimeout):
            raise ModelUnavailable from None  # the cause may hold the request
        except httpx2.HTTPError:
            raise ModelBrokeOff from None

    async def close(self) -> None:
        await self.client.aclose()

    def _request(self, prompt: Prompt, limits: ModelLimits) -> dict[str, object]:
        temperature = {} if self.temperature is None else {"temperature": self.temperature}
        return temperature | {
            "model": self.model,
            "messages": [{"role": each.role, "content": each.text} for each in prompt.instructions],
            self.tokens_field: limits.output_tokens_max,
            "stream": True,
            "stream_options": {"include_usage": True},
        }


async def _pieces(response: httpx2.Response) -> AsyncGenerator[Piece, None]:
    finished = False
    async for line in _lines(response.aiter_raw()):
        if not line.startswith(b"data:"):
            continue  # comments, and fields of events that this protocol does not use
        told = line[5:].strip()
        if told == b"[DONE]":
            return
        chunk = _chunk(told)
        for choice in chunk.choices[:1]:
            if choice.delta.content:
                yield Text(choice.delta.content)
            finished = finished or choice.finish_reason is not None
            if choice.finish_reason == "content_filter":
                raise ModelRefused("The language model's own filter stopped this answer.")
            if choice.finish_reason == "length":
                yield CutOff()
        spent = _spent(chunk)
        if spent is not None:
            yield spent
    if not finished:
        raise ModelBrokeOff


async def _lines(parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Whole lines, each of bounded length. Raises ModelUnreadable for a longer one."""
    rest = bytearray()
    async for part in parts:
        begin = len(rest)
        rest += part
        while (end := rest.find(b"\n", begin)) >= 0:
            line = bytes(rest[:end])
            del rest[: end + 1]
            begin = 0
            if len(line) > LINE_BYTES_MAX:
                _too_long()
            yield line.rstrip(b"\r")
        if len(rest) > LINE_BYTES_MAX:
            _too_long()
    if rest:
        yield bytes(rest)


def _chunk(told: bytes) -> _Chunk:
    try:
        chunk = msgspec.json.decode(told, type=_Chunk)
    except msgspec.DecodeError:
        raise ModelUnreadable from None
    if bytes(chunk.error) not in (b"", b"null"):
        raise ModelFailed("The language model reported an error.")
    return chunk


def _spent(chunk: _Chunk) -> Spent | None:
    """What the server says that it took. Nonsense is no reason to lose an answer: it is estimated,
    as it is where the server says nothing."""
    if not bytes(chunk.usage):
        return None
    try:
        usage = msgspec.json.decode(chunk.usage, type=_Usage | None)
    except msgspec.DecodeError:
        return None
    if usage is None:
        return None
    details = usage.prompt_tokens_details
    return Spent(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cached_tokens=(details and details.cached_tokens) or 0,
    )


def _assert_streaming(response: httpx2.Response) -> None:
    status = response.status_code
    told = f"The language model answered with status {status}."
    if status == 429:
        raise ModelOverloaded(told, rest_seconds=_retry_after(response))
    if status == 408 or status >= 500:
        raise ModelUnavailable(told, rest_seconds=_retry_after(response))
    if status in (401, 403):
        raise ModelLockedOut(f"The language model does not accept our key: status {status}.")
    if status != 200:
        raise ModelRefused(f"The language model refused the request with status {status}.")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/event-stream":
        raise ModelUnreadable("The language model did not answer with a stream.")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise ModelUnreadable("The language model answered with a compressed stream.")


def _retry_after(response: httpx2.Response) -> int:
    """Seconds; 0 where it does not say."""
    value = response.headers.get("retry-after", "")
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        return 0
    return min(int(value), RETRY_AFTER_SECONDS_MAX)


def _too_long() -> NoReturn:
    raise ModelUnreadable("The language model sent a line that is too long.")
