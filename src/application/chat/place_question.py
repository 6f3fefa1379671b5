"""Where a question is asked: which message it follows, or which question is asked once more."""

from __future__ import annotations

from dataclasses import dataclass

from application.chat.ports import ChatTransaction
from domain.chat.branch import (
    Follows,
    MessageNotFound,
    NotAnAnswer,
    NotAQuestion,
    Position,
    Repeats,
    Replaces,
)
from domain.chat.message import Message, MessageRole
from domain.identity import ConversationId, MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """`repeated` is the question that gets another answer; None: a new one follows `parent_id`."""

    parent_id: MessageId | None
    repeated: Message | None = None


async def place_question(
    tx: ChatTransaction, conversation_id: ConversationId, position: Position | None
) -> Placed:
    """None: after the selected branch. Raises MessageNotFound, NotAnAnswer, or NotAQuestion."""
    match position:
        case None:
            return Placed(parent_id=await tx.head(conversation_id))
        case Follows(answer_id):
            answer = await _message(tx, conversation_id, answer_id)
            if answer.role is not MessageRole.ASSISTANT:
                raise NotAnAnswer(field="/parent_id")
            return Placed(parent_id=answer.id)
        case Replaces(question_id):
            return Placed(parent_id=(await _question(tx, conversation_id, question_id)).parent_id)
        case Repeats(question_id):
            question = await _question(tx, conversation_id, question_id)
            return Placed(parent_id=question.parent_id, repeated=question)


async def _question(
    tx: ChatTransaction, conversation_id: ConversationId, question_id: MessageId
) -> Message:
    question = await _message(tx, conversation_id, question_id)
    if question.role is not MessageRole.USER:
        raise NotAQuestion(field="/replaces")
    return question


async def _message(
    tx: ChatTransaction, conversation_id: ConversationId, message_id: MessageId
) -> Message:
    found = await tx.message(conversation_id, message_id)
    if found is None:
        raise MessageNotFound
    return found
