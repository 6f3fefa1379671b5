"""Branches: the messages of a conversation are a tree, and each path through it can go on.

An edited question and an answer made anew stand beside what was there before; nothing is rewritten.
A branch is named by its last message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from domain.chat.message import Message
from domain.errors import Invalid, NotFound
from domain.identity import MessageId


class MessageNotFound(NotFound):
    """There is nothing here for you: it does not exist, or you may not see it."""


class NotAnAnswer(Invalid):
    """A question goes on from an answer; this message is a question."""

    code = "not_an_answer"


class NotAQuestion(Invalid):
    """What is asked otherwise is a question; this message is an answer."""

    code = "not_a_question"


@dataclass(frozen=True, slots=True)
class Follows:
    """Ask after this answer, whatever else followed it."""

    answer_id: MessageId


@dataclass(frozen=True, slots=True)
class Replaces:
    """Ask something else in the place of this question, which stays."""

    question_id: MessageId


@dataclass(frozen=True, slots=True)
class Repeats:
    """Answer this question once more, beside the answers that it has."""

    question_id: MessageId


Position: TypeAlias = Follows | Replaces | Repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One path from the first question to a message that nothing follows.

    `length` counts its messages. It shares those up to `parted_after` with others; None: the
    first question already is its own, or it is the only branch. The next question goes on from
    the selected one.
    """

    last: Message
    length: int
    parted_after: MessageId | None
    is_selected: bool
