"""The events of a run as the AI SDK's UI message stream, version 1.

The whole answer is one step of one message, so that all of it can be taken back (`reset-step`).
Sources are the documents that are cited, `data-citation` each citation as it was checked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from domain.chat.event import Event, EventType, is_cut_off
from entrypoints.http.sse import sse_frame, sse_text_frame

HEADERS = {"X-Vercel-AI-UI-Message-Stream": "v1"}
TITLE_LENGTH = 80
TEXT_ID = "answer"


@dataclass(slots=True)
class UIMessageChunks:
    """Encodes one run, event by event, from the first."""

    _is_talking: bool = field(default=False, init=False)
    _sources: set[str] = field(default_factory=set, init=False)
    _citations: int = field(default=0, init=False)
    _finish_reason: str = field(default="stop", init=False)

    def __call__(self, event: Event) -> bytes:
        return b"".join(sse_frame(each) for each in self._chunks(event)) + (
            _DONE if event.type.is_terminal else b""
        )

    def _chunks(self, event: Event) -> list[dict[str, Any]]:
        told = json.loads(event.told)
        match event.type:
            case EventType.RUN_STARTED:
                message_id = told.pop("message_id")
                start = {"type": "start", "messageId": message_id, "messageMetadata": told}
                return [start, {"type": "start-step"}]
            case EventType.QUEUED:
                return []  # a message begins with its start, and that is still to come
            case EventType.TEXT_DELTA:
                return self._said(told["text"])
            case EventType.CITATION:
                return self._cited(told)
            case EventType.USAGE:
                return [{"type": "message-metadata", "messageMetadata": {"usage": told}}]
            case EventType.KEPT:
                return [{"type": "message-metadata", "messageMetadata": {"kept": told}}]
            case EventType.COMPLETED:
                finish = {"type": "finish", "finishReason": self._finish_reason}
                return [*self._silent(), {"type": "finish-step"}, finish]
            case EventType.CANCELLED:
                return [*self._silent(), {"type": "abort", "reason": "The answer was stopped."}]
            case EventType.FAILED:
                return [*self._silent(), {"type": "error", "errorText": told["detail"]}]
            case EventType.ACCESS_REVOKED:
                return [{"type": "reset-step"}, {"type": "error", "errorText": _TAKEN_BACK}]
        if is_cut_off(event):
            self._finish_reason = "length"
        return [{"type": f"data-{event.type}", "data": told}]

    def _said(self, text: str) -> list[dict[str, Any]]:
        delta = {"type": "text-delta", "id": TEXT_ID, "delta": text}
        if self._is_talking:
            return [delta]
        self._is_talking = True
        return [{"type": "text-start", "id": TEXT_ID}, delta]

    def _silent(self) -> list[dict[str, Any]]:
        return [{"type": "text-end", "id": TEXT_ID}] if self._is_talking else []

    def _cited(self, told: dict[str, Any]) -> list[dict[str, Any]]:
        self._citations += 1
        cited = {"type": "data-citation", "id": f"citation-{self._citations}", "data": told}
        source = f"{told['document_id']}@{told['version']}"
        if told["document_id"] is None or source in self._sources:
            return [cited]
        self._sources.add(source)
        where = {"document_id": told["document_id"], "version": told["version"]}
        shown = {
            "type": "source-document",
            "sourceId": source,
            "mediaType": "text/plain",
            "title": _title(told["quote"]),
            "providerMetadata": {"strongroom": where},
        }
        return [shown, cited]


def _title(quote: str) -> str:
    """What a document is shown as: the words that are quoted first, for its title is sealed."""
    words = " ".join(quote.split())
    return words if len(words) <= TITLE_LENGTH else f"{words[: TITLE_LENGTH - 1]}…"


_DONE = sse_text_frame(b"[DONE]")
_TAKEN_BACK = "This answer rested on content that you may not see any more, so it is gone."
