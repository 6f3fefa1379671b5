"""Conversations, messages and branches as clients send and see them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from application.chat.ports import AskedQuestion
from application.chat.read_conversations import OpenConversation, OpenMessage, Withheld
from domain.chat.branch import Branch, Follows, Position, Replaces
from domain.chat.conversation import TITLE_LENGTH_MAX
from domain.chat.message import MessageRole
from domain.chat.run import WhenBusy
from domain.identity import PERSONAL_USE, DocumentId, MessageId
from entrypoints.http.refusals import InvalidFields, WrongField
from entrypoints.http.runs import KeptShown, RunShown, kept_shown, run_shown

ModelName = Annotated[str, Meta(min_length=1, max_length=256)]


class NewConversation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a conversation is called; it may have no title."""

    title: Annotated[str, Meta(max_length=TITLE_LENGTH_MAX)] = ""


class NewMessage(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A question: from 1 to 16,000 characters.

    One's own documents are read for any purpose, those of others under grants for `purpose`.
    With `document_ids` nothing else is read. `model` is one that GET /v1/models lists.

    The question goes on from the selected branch; with `parent_id` from that answer instead,
    and with `replaces` it stands beside that question. `when_busy` says whether it waits for its
    turn while another answer of the conversation is being written.
    """

    content: str
    model: ModelName | None = None
    purpose: Annotated[str, Meta(min_length=1, max_length=64)] = PERSONAL_USE
    document_ids: Annotated[list[UUID], Meta(max_length=200)] | None = None
    parent_id: UUID | None = None
    replaces: UUID | None = None
    when_busy: WhenBusy = WhenBusy.REFUSE


class NewAnswer(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is to be otherwise this time; what is left out is as it was the last time."""

    model: ModelName | None = None
    purpose: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    document_ids: Annotated[list[UUID], Meta(min_length=1, max_length=200)] | None = None
    when_busy: WhenBusy = WhenBusy.REFUSE


class ConversationShown(msgspec.Struct, kw_only=True):
    """A conversation as it stands. The next question goes on from the message `head_id`."""

    id: UUID
    title: str
    message_count: int
    head_id: UUID | None
    created_at: datetime


class MessageShown(msgspec.Struct, kw_only=True):
    """A message. `content` is null while it is being written, and where `tombstone` says why
    it is gone: `access_revoked` or `document_erased`. Where it rests on a grant that demands a
    second factor, it is null with `withheld: second_factor` to sessions without: step up, and ask
    again. `run_id` is that of an answer; `kept` is there where it outlived the withdrawal of a
    consent."""

    id: UUID
    conversation_id: UUID
    sequence: int
    parent_id: UUID | None
    role: MessageRole
    content: str | None
    tombstone: str | None
    withheld: Withheld | None
    kept: KeptShown | None
    run_id: UUID | None
    created_at: datetime


class AskedShown(msgspec.Struct, kw_only=True):
    """A question that was written down, and the run that answers it."""

    message: MessageShown
    run: RunShown


class BranchShown(msgspec.Struct, kw_only=True):
    """A branch, named by its last message, whose number in the conversation is `sequence`.

    `length` counts its messages; those up to `parted_after` it shares with other branches.
    """

    message_id: UUID
    sequence: int
    length: int
    parted_after: UUID | None
    is_selected: bool
    run_id: UUID | None
    created_at: datetime


class SelectedBranch(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A message of the branch; of several branches that have it, the newest is meant."""

    message_id: UUID


def position_of(parent_id: UUID | None, replaces: UUID | None) -> Position | None:
    """Raises InvalidFields where both are named."""
    if parent_id is not None and replaces is not None:
        both = "A question follows an answer, or it replaces a question; not both."
        raise InvalidFields([WrongField("/replaces", both)])
    if parent_id is not None:
        return Follows(MessageId(parent_id))
    return None if replaces is None else Replaces(MessageId(replaces))


def documents_of(ids: list[UUID] | None) -> frozenset[DocumentId] | None:
    return None if ids is None else frozenset(map(DocumentId, ids))


def branch_shown(branch: Branch) -> BranchShown:
    last = branch.last
    return BranchShown(
        message_id=last.id,
        sequence=last.sequence,
        length=branch.length,
        parted_after=branch.parted_after,
        is_selected=branch.is_selected,
        run_id=last.run_id,
        created_at=last.created_at,
    )


def conversation_shown(opened: OpenConversation) -> ConversationShown:
    conversation = opened.conversation
    return ConversationShown(
        id=conversation.id,
        title=opened.title,
        message_count=conversation.message_count,
        head_id=conversation.head_id,
        created_at=conversation.created_at,
    )


def message_shown(opened: OpenMessage) -> MessageShown:
    message = opened.message
    return MessageShown(
        id=message.id,
        conversation_id=message.conversation_id,
        sequence=message.sequence,
        parent_id=message.parent_id,
        role=message.role,
        content=opened.content,
        tombstone=message.tombstone,
        withheld=opened.withheld,
        kept=kept_shown(message.kept),
        run_id=message.run_id,
        created_at=message.created_at,
    )


def asked_shown(asked: AskedQuestion) -> AskedShown:
    opened = OpenMessage(message=asked.message, content=asked.question.text)
    return AskedShown(message=message_shown(opened), run=run_shown(asked.run))
