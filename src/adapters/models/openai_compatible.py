"""A model behind an OpenAI-compatible Chat Completions API: hosted ones, vLLM, llama.cpp, Ollama.

Neither the prompt nor the key is ever part of an error or of a log, nor is what the server says
about an error: it may repeat the prompt.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from typing import NoReturn

import httpx2
import msgspec

from application.chat.language_model import (
    ModelFailed,
    ModelLimits,
    ModelRefused,
    ModelUnavailable,
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


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Chunk(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: msgspec.Raw | None = None


def model_client() -> httpx2.AsyncClient:
    """A client for models: no proxy from the environment, no limit between pieces of its own."""
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(connect=CONNECT_SECONDS_MAX, read=None, write=30.0, pool=10.0),
        limits=httpx2.Limits(max_connections=512, max_keepalive_connections=32),
        follow_redirects=False,
        trust_env=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAICompatibleModel:
    """`LanguageModel`. `base_url` ends before `/chat/completions`; whoever made `client` closes it.

    Closing the generator closes the response, and with it stops the model.
    """

    base_url: str
    model: str
    key: str | None = field(repr=False)
    client: httpx2.AsyncClient
    marks_sources: bool = True

    @property
    def name(self) -> str:
        return self.model[:100]

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
            raise ModelFailed("The language model broke off.") from None

    def _request(self, prompt: Prompt, limits: ModelLimits) -> dict[str, object]:
        return {
            "model": self.model,
            "messages": [{"role": each.role, "content": each.text} for each in prompt.instructions],
            "max_tokens": limits.output_tokens_max,
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
        if chunk.usage is not None:
            yield Spent(
                input_tokens=chunk.usage.prompt_tokens,
                output_tokens=chunk.usage.completion_tokens,
            )
    if not finished:
        raise ModelFailed("The language model broke off.")


async def _lines(parts: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Whole lines, each of bounded length. Raises ModelFailed for a longer one."""
    rest = b""
    async for part in parts:
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            if len(line) > LINE_BYTES_MAX:
                _too_long()
            yield line.rstrip(b"\r")
        if len(rest) > LINE_BYTES_MAX:
            _too_long()
    if rest:
        yield rest


def _chunk(told: bytes) -> _Chunk:
    try:
        chunk = msgspec.json.decode(told, type=_Chunk)
    except msgspec.DecodeError:
        raise ModelFailed("The language model sent what cannot be read.") from None
    if chunk.error is not None:
        raise ModelFailed("The language model reported an error.")
    return chunk


def _assert_streaming(response: httpx2.Response) -> None:
    status = response.status_code
    if status in (408, 429) or status >= 500:
        raise ModelUnavailable(
            f"The language model answered with status {status}.",
            retry_after_seconds=_retry_after(response),
        )
    if status != 200:
        raise ModelRefused(f"The language model refused the request with status {status}.")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/event-stream":
        raise ModelFailed("The language model did not answer with a stream.")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise ModelFailed("The language model answered with a compressed stream.")


def _retry_after(response: httpx2.Response) -> int:
    value = response.headers.get("retry-after", "")
    return min(int(value), RETRY_AFTER_SECONDS_MAX) if value.isascii() and value.isdigit() else 5


def _too_long() -> NoReturn:
    raise ModelFailed("The language model sent a line that is too long.")
