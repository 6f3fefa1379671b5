"""Conversations: a person's own sequence of questions and answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from domain.chat.question import is_readable
from domain.errors import Invalid, NotFound
from domain.identity import ConversationId, MessageId, PersonId

TITLE_LENGTH_MAX = 300
TITLE_WORDS_LENGTH = 80


class ConversationNotFound(NotFound):
    """There is nothing here for you: it does not exist, or you may not see it."""


class TitleNotUsable(Invalid):
    """A title has at most 300 characters, none of them a control character."""

    code = "title_not_usable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """`title` may be empty; `message_count` is the sequence of the last message.

    `head_id` is the message that the next question follows; None: nothing was asked yet.
    """

    id: ConversationId
    owner_id: PersonId
    sealed_title: bytes = field(repr=False)
    message_count: int
    created_at: datetime
    head_id: MessageId | None = None


def usable_title(title: str) -> str:
    """The title without the white space around it."""
    trimmed = title.strip()
    if (
        len(trimmed) > TITLE_LENGTH_MAX
        or not is_readable(trimmed)
        or any(ord(character) < 32 or ord(character) == 127 for character in trimmed)
    ):
        raise TitleNotUsable(field="/title")
    return trimmed


def title_from(question: str) -> str:
    """A usable title for a conversation that begins with this question."""
    shown = "".join(each if each.isprintable() else " " for each in question)
    words = " ".join(shown.split())
    return words if len(words) <= TITLE_WORDS_LENGTH else f"{words[: TITLE_WORDS_LENGTH - 1]}…"
