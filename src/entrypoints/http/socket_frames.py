"""What is said over a conversation's socket: JSON texts, one to a frame.

The client's frames are numbered by the order in which it sent them, from 1; what answers one of
them says which, in `to`. The events of runs are those of the native format, byte for byte.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Meta

from domain.chat.event import Event
from domain.chat.run import WhenBusy
from domain.identity import PERSONAL_USE, RunId
from entrypoints.http.fields import read_value
from entrypoints.http.json_text import parse_json
from entrypoints.http.problems import Problem
from entrypoints.http.query import NUMBER_MAX
from entrypoints.http.refusals import InvalidFields, WrongField


class _Frame(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, tag_field="type"):
    pass


class Authenticate(_Frame, tag="authenticate"):
    """The first frame; and again, with a newer token of the same person, to go on longer."""

    token: str


class Ask(_Frame, tag="ask"):
    """A question, whose run is followed. With an `id`, a repeat joins the run of the first time.

    `parent_id`, `replaces` and `when_busy` are those of `POST .../messages`.
    """

    content: str
    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    id: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    purpose: Annotated[str, Meta(min_length=1, max_length=64)] = PERSONAL_USE
    document_ids: Annotated[list[UUID], Meta(max_length=200)] | None = None
    parent_id: UUID | None = None
    replaces: UUID | None = None
    when_busy: WhenBusy = WhenBusy.REFUSE


class Regenerate(_Frame, tag="regenerate"):
    """Another answer to a question, named by itself or by an answer that it has."""

    message_id: UUID
    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    id: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    when_busy: WhenBusy = WhenBusy.REFUSE


class Cancel(_Frame, tag="cancel"):
    """Stop a run; its last event says that it did."""

    run_id: UUID


class Resume(_Frame, tag="resume"):
    """Follow a run of this conversation from after an event on."""

    run_id: UUID
    after: Annotated[int, Meta(ge=0, le=NUMBER_MAX)] = 0


ClientFrame: TypeAlias = Authenticate | Ask | Regenerate | Cancel | Resume
_KINDS: dict[str, type[_Frame]] = {
    "authenticate": Authenticate,
    "ask": Ask,
    "regenerate": Regenerate,
    "cancel": Cancel,
    "resume": Resume,
}


def read_frame(text: bytes) -> ClientFrame:
    """Raises NotJson and InvalidFields."""
    plain = parse_json(text)
    kind = plain.get("type") if isinstance(plain, dict) else None
    if not isinstance(kind, str) or kind not in _KINDS:
        raise InvalidFields([WrongField("/type", f"One of: {', '.join(_KINDS)}.")])
    frame: ClientFrame = read_value(plain, _KINDS[kind])
    return frame


def event_frame(run_id: RunId, event: Event) -> str:
    """An event of a run, as it is."""
    head = msgspec.json.encode({"type": event.type, "run_id": run_id, "number": event.number})
    return f'{head[:-1].decode()},"data":{event.told}}}'


def refused_frame(to: int, problem: Problem) -> str:
    return _text({"type": "refused", "to": to, "problem": problem})


def reply_frame(kind: str, to: int, **told: Any) -> str:
    return _text({"type": kind, "to": to, **told})


def _text(told: dict[str, Any]) -> str:
    return msgspec.json.encode(told).decode()
