"""What someone asks, and among what the answer is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.errors import Invalid
from domain.identity import PERSONAL_USE, DocumentId, Purpose

CHARACTERS_MAX = 16_000
DOCUMENTS_MAX = 200
QUESTIONS_BEFORE_MAX = 20
SHORT_WORDS_MAX = 3
"""A question of so few words seldom stands alone: "and in 2021?"."""


class QuestionEmpty(Invalid):
    """There is nothing to answer: the question is empty."""

    code = "question_empty"


class QuestionTooLong(Invalid):
    """A question has at most 16,000 characters."""

    code = "question_too_long"


class QuestionUnreadable(Invalid):
    """The question contains characters that no text can contain: NUL, or half a surrogate pair."""

    code = "question_unreadable"


class TooManyDocuments(Invalid):
    """A question can be narrowed down to from 1 to 200 documents."""

    code = "document_filter_out_of_range"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`text` is kept without the white space around it.

    Own documents are read whatever the purpose, those of others under grants for exactly this
    purpose. With `document_ids` nothing else is read; None reads everything that may be quoted.
    `before` are earlier questions, oldest first, where the asker brings them along because the
    conversation does not hold them; they go into the prompt as those that it holds do.
    """

    text: str
    purpose: Purpose = PERSONAL_USE
    document_ids: frozenset[DocumentId] | None = None
    before: Sequence[str] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text.strip())
        if not self.text:
            raise QuestionEmpty(field="/content")
        if len(self.text) > CHARACTERS_MAX:
            raise QuestionTooLong(field="/content")
        if not is_readable(self.text):
            raise QuestionUnreadable(field="/content")
        if self.document_ids is not None and not 1 <= len(self.document_ids) <= DOCUMENTS_MAX:
            raise TooManyDocuments(field="/document_ids")
        if len(self.before) > QUESTIONS_BEFORE_MAX or not all(map(is_readable, self.before)):
            raise ValueError("of earlier questions only some are brought along, and readable ones")


def is_readable(text: str) -> bool:
    """Whether the text can be stored and sent: it has no NUL, and is proper Unicode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\x00" not in text


def in_full(question: str, previous: str | None) -> str:
    """What to look for: the question, after the previous one where it is too short alone."""
    if previous is None or len(question.split()) > SHORT_WORDS_MAX:
        return question
    return f"{previous}\n{question}"
