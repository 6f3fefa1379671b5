"""Messages: questions and answers, numbered without gaps within their conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.identity import Acr, ConversationId, LawfulBasis, MessageId, RunId


class MessageRole(StrEnum):
    """Who speaks."""

    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """On which basis a withdrawal left an answer where it was, and since when."""

    lawful_basis: LawfulBasis
    reference: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An answer that stayed when a consent that it rests on was withdrawn: for whoever was
    answered to read again, and for nothing new.

    It may rest on several consents. The last withdrawal says why and since when; `earlier` are
    those before it, the oldest first, each on the basis of its day.
    """

    lawful_basis: LawfulBasis
    reference: str
    since: datetime
    earlier: Sequence[Keeping] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message as it is stored; `sequence` counts from 1, `parent_id` names what it follows.

    `sealed_content` is None while an answer is being written, and where `tombstone` says why
    it is gone; `kept` says why it is there still. `run_id` names the run that writes or wrote an
    answer. `required_acr` is what the grants that an answer rests on demand of its reader.
    """

    id: MessageId
    conversation_id: ConversationId
    sequence: int
    parent_id: MessageId | None
    role: MessageRole
    sealed_content: bytes | None = field(repr=False)
    tombstone: str | None = None
    created_at: datetime
    run_id: RunId | None = None
    kept: Kept | None = None
    required_acr: Acr | None = None

    def __post_init__(self) -> None:
        if self.sequence < 1:
            raise ValueError("messages are counted from 1")
        if self.tombstone is not None and self.sealed_content is not None:
            raise ValueError("a tombstone stands where the content was, not beside it")

    def is_withheld_from(self, acr: Acr) -> bool:
        """Whether a session of this level may not have the content, which is there."""
        return (
            self.sealed_content is not None and self.required_acr is Acr.MFA and acr is not Acr.MFA
        )
