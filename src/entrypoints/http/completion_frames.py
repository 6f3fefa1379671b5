"""The events of a run as Chat Completions: as chunks of a stream, or gathered into one answer.

No frame has an `id:`: the official Python client takes one that is followed by a comment, as
heartbeats are, for an event without data, and fails. What OpenAI has no name for travels in
`strongroom`, which its clients keep and do not look at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from domain.chat.event import Event, EventType, is_cut_off
from domain.chat.run import Run
from entrypoints.http.completion_shapes import (
    AnswerMessage,
    Completion,
    CompletionChoice,
    CompletionUsage,
    StrongroomFound,
)
from entrypoints.http.openai_errors import OpenAIErrorBody, openai_error
from entrypoints.http.sse import sse_frame, sse_text_frame

DONE = sse_text_frame(b"[DONE]")


class _Choice(msgspec.Struct, kw_only=True):
    delta: dict[str, str]
    finish_reason: str | None = None
    index: int = 0
    logprobs: None = None


class _Chunk(msgspec.Struct, kw_only=True, omit_defaults=True):
    id: str
    object: str
    created: int
    model: str
    system_fingerprint: str
    choices: list[_Choice]
    usage: CompletionUsage | UnsetType | None = UNSET
    strongroom: dict[str, Any] | UnsetType = UNSET


@dataclass(slots=True)
class CompletionChunks:
    """Encodes one run, event by event, from the first."""

    run: Run
    include_usage: bool
    ignored: list[str]
    _model: str = field(init=False)
    _usage: CompletionUsage | None = field(default=None, init=False)
    _finish_reason: str = field(default="stop", init=False)

    def __post_init__(self) -> None:
        self._model = self.run.model

    def __call__(self, event: Event) -> bytes:
        told = json.loads(event.told)
        match event.type:
            case EventType.TEXT_DELTA:
                return self._chunk({"content": told["text"]})
            case EventType.RUN_STARTED:
                return self._chunk(
                    {"role": "assistant", "content": ""}, event, told | {"ignored": self.ignored}
                )
            case EventType.USAGE:
                self._usage = usage_of(told)
                return b""
            case EventType.QUEUED:
                return b""  # nothing is written yet, and the format has no word for waiting
            case EventType.COMPLETED:
                last = self._chunk({}, finish_reason=self._finish_reason)
                return last + self._spent() + DONE
            case EventType.GUARDRAIL if is_cut_off(event):
                self._finish_reason = "length"
            case EventType.FALLBACK:
                self._model = told["to"]
        if event.type.is_terminal:
            return sse_frame(ending_of(event)[1]) + DONE
        return self._chunk({"content": ""}, event, told)

    def _chunk(
        self,
        delta: dict[str, str],
        event: Event | None = None,
        told: Any = None,
        *,
        finish_reason: str | None = None,
    ) -> bytes:
        chunk = self._empty()
        chunk.choices.append(_Choice(delta=delta, finish_reason=finish_reason))
        if event is not None:
            chunk.strongroom = {"event": event.type, "data": told}
        return sse_frame(chunk)

    def _spent(self) -> bytes:
        """The last chunk has no choice, where the client wanted to know what it took."""
        if not self.include_usage:
            return b""
        chunk = self._empty()
        chunk.usage = self._usage or CompletionUsage(
            prompt_tokens=0, completion_tokens=0, total_tokens=0
        )
        return sse_frame(chunk)

    def _empty(self) -> _Chunk:
        return _Chunk(
            id=completion_id(self.run),
            object="chat.completion.chunk",
            created=int(self.run.created_at.timestamp()),
            model=self._model,
            system_fingerprint=self.run.prompt_version,
            choices=[],
            usage=None if self.include_usage else UNSET,
        )


@dataclass(slots=True)
class GatheredCompletion:
    """Gathers one run; `last` is its last event once it is there."""

    run: Run
    ignored: list[str]
    last: Event | None = field(default=None, init=False)
    _texts: list[str] = field(default_factory=list, init=False)
    _finish_reason: str = field(default="stop", init=False)
    _told: dict[EventType, list[Any]] = field(default_factory=dict, init=False)

    def add(self, event: Event) -> None:
        told = json.loads(event.told)
        if event.type is EventType.TEXT_DELTA:
            self._texts.append(told["text"])
        else:
            self._told.setdefault(event.type, []).append(told)
        if is_cut_off(event):
            self._finish_reason = "length"
        if event.type.is_terminal:
            self.last = event

    def whole(self) -> Completion:
        run = self.run
        fallbacks = self._told.get(EventType.FALLBACK, [])
        usage = self._told.get(EventType.USAGE)
        message = AnswerMessage(content="".join(self._texts))
        return Completion(
            id=completion_id(run),
            created=int(run.created_at.timestamp()),
            model=fallbacks[-1]["to"] if fallbacks else run.model,
            choices=[CompletionChoice(message=message, finish_reason=self._finish_reason)],
            usage=usage_of(usage[-1]) if usage else None,
            system_fingerprint=run.prompt_version,
            strongroom=StrongroomFound(
                run_id=run.id,
                conversation_id=run.conversation_id,
                message_id=run.answer_id,
                prompt_version=run.prompt_version,
                history=next(iter(self._told.get(EventType.HISTORY, [])), None),
                retrieval=next(iter(self._told.get(EventType.RETRIEVAL, [])), None),
                citations=self._told.get(EventType.CITATION, []),
                fallbacks=fallbacks,
                kept=next(iter(self._told.get(EventType.KEPT, [])), None),
                ignored=self.ignored,
            ),
        )


def ending_of(event: Event) -> tuple[int, OpenAIErrorBody]:
    """How a run that was not completed ended: a status, and the error that tells of it."""
    if event.type is EventType.FAILED:
        told = json.loads(event.told)
        return told["status"], openai_error(told["status"], told["code"], told["detail"])
    if event.type is EventType.ACCESS_REVOKED:
        return 403, openai_error(403, "access_revoked", _TAKEN_BACK)
    return 409, openai_error(409, "run_cancelled", "The answer was stopped.")


def may_help_again(event: Event) -> bool:
    """Whether the same request, at once and unasked, may be answered after such an end."""
    if event.type is not EventType.FAILED:
        return False
    told = json.loads(event.told)
    return told["status"] >= 500 and bool(told["retryable"])


def completion_id(run: Run) -> str:
    return f"chatcmpl-{run.id}"


def usage_of(told: dict[str, Any]) -> CompletionUsage:
    read, written = told["input_tokens"], told["output_tokens"]
    return CompletionUsage(
        prompt_tokens=read, completion_tokens=written, total_tokens=read + written
    )


_TAKEN_BACK = "This answer rested on content that you may not see any more, so it is gone."
