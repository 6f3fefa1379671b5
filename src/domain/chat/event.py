"""Events of a run: numbered from 1, without gaps, the last one terminal. They are its truth.

Every wire format encodes these same events. What an event says is written as JSON once, when
it happens, so that whoever reads it later reads the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, TypeAlias
from uuid import UUID

from domain.chat.citation import Citation
from domain.chat.message import Kept
from domain.chat.run import RunState, Withdrawal
from domain.identity import ConversationId, DocumentId, MessageId, RunId


class EventType(StrEnum):
    """What happened."""

    QUEUED = "queued"
    HISTORY = "history"
    RUN_STARTED = "run_started"
    RETRIEVAL = "retrieval"
    TEXT_DELTA = "text_delta"
    CITATION = "citation"
    GUARDRAIL = "guardrail"
    USAGE = "usage"
    FALLBACK = "fallback"
    KEPT = "kept"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    ACCESS_REVOKED = "access_revoked"

    @property
    def is_terminal(self) -> bool:
        return self in _TERMINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """The question waits for `ahead` answers of its conversation, that are or will be written."""

    type: ClassVar[EventType] = EventType.QUEUED
    run_id: RunId
    message_id: MessageId
    conversation_id: ConversationId
    ahead: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """The run has begun, with this model and prompt."""

    type: ClassVar[EventType] = EventType.RUN_STARTED
    run_id: RunId
    message_id: MessageId
    conversation_id: ConversationId
    model: str
    prompt_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Of what was said before on the question's path, only so many messages are in the prompt: the
    last ones that fit, without those that may not be used. Told where some are `left_out`."""

    type: ClassVar[EventType] = EventType.HISTORY
    messages: int
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievedExcerpt:
    """Where an excerpt stands; its text is not repeated."""

    id: str
    document_id: DocumentId
    version: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Degradation:
    """A step of the search that was wanted and not done, and why."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieval:
    """What was searched, how, and what the answer may rest on."""

    type: ClassVar[EventType] = EventType.RETRIEVAL
    mode: str
    degraded: Sequence[Degradation]
    excerpts: Sequence[RetrievedExcerpt]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """The next piece of the answer."""

    type: ClassVar[EventType] = EventType.TEXT_DELTA
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """A citation, checked. Of its place, what the format of the file has is told."""

    type: ClassVar[EventType] = EventType.CITATION
    citation: Citation


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """A guardrail decided something about the answer: `length`, `cut` where the model came to its
    limit before its end."""

    type: ClassVar[EventType] = EventType.GUARDRAIL
    kind: str
    decision: str


CUT_OFF = Guardrail(kind="length", decision="cut")
"""The model wrote as much as one answer may have, and had not come to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the answer took; `cost` is None where the model has no known price.

    `estimated`: the model did not say.
    """

    type: ClassVar[EventType] = EventType.USAGE
    model: str
    input_tokens: int
    output_tokens: int
    cost: float | None = None
    currency: str | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Another model took over before the first piece."""

    type: ClassVar[EventType] = EventType.FALLBACK
    from_model: str
    to_model: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerKept:
    """The answer stayed when a consent that it rests on was withdrawn. It is no event of the run:
    it is told before the last one, under the number before that, to whoever reads it again."""

    type: ClassVar[EventType] = EventType.KEPT
    kept: Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The answer is whole."""

    type: ClassVar[EventType] = EventType.COMPLETED
    message_id: MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The answer was stopped, by the `owner`."""

    type: ClassVar[EventType] = EventType.CANCELLED
    by: str = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The answer broke off: a problem document (RFC 9457). `retryable`: asking again may help."""

    type: ClassVar[EventType] = EventType.FAILED
    code: str
    title: str
    status: int
    detail: str
    retryable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRevoked:
    """The answer was taken back."""

    type: ClassVar[EventType] = EventType.ACCESS_REVOKED
    withdrawal: Withdrawal


Terminal: TypeAlias = Completed | Cancelled | Failed | AccessRevoked
Fact: TypeAlias = (
    Queued
    | RunStarted
    | History
    | Retrieval
    | TextDelta
    | Cited
    | Guardrail
    | Usage
    | Fallback
    | AnswerKept
    | Terminal
)

STATE_AFTER: Mapping[EventType, RunState] = {
    EventType.COMPLETED: RunState.COMPLETED,
    EventType.CANCELLED: RunState.CANCELLED,
    EventType.FAILED: RunState.FAILED,
    EventType.ACCESS_REVOKED: RunState.ACCESS_REVOKED,
}
_TERMINAL = frozenset(STATE_AFTER)


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its number, its type, and what it says as one line of JSON."""

    number: int
    type: EventType
    told: str = field(repr=False)


def as_event(number: int, fact: Fact) -> Event:
    return Event(number, fact.type, _json(_told(fact)))


def text_of(event: Event) -> str:
    """The text that a `text_delta` adds to the answer."""
    text: str = json.loads(event.told)["text"]
    return text


def is_cut_off(event: Event) -> bool:
    """Whether the event says that the answer ends before its end."""
    return event == as_event(event.number, CUT_OFF)


def _told(fact: Fact) -> object:
    if isinstance(fact, Cited):
        told = {each.name: getattr(fact.citation, each.name) for each in fields(fact.citation)}
        del told["place"]
        return told | fact.citation.place.known()
    if isinstance(fact, Fallback):
        return {"from": fact.from_model, "to": fact.to_model, "reason": fact.reason}
    if isinstance(fact, Failed):
        problem = {"type": f"urn:strongroom:problem:{fact.code}"}
        return problem | {each.name: getattr(fact, each.name) for each in fields(fact)}
    if isinstance(fact, AccessRevoked):
        return fact.withdrawal
    if isinstance(fact, AnswerKept):
        return fact.kept
    return fact


def _json(told: object) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    raise TypeError(f"{type(value).__name__} is not told in an event")
