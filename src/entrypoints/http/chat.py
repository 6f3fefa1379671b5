"""Conversations over HTTP: start, ask, list, reread, delete."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, post, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from adapters.memory.rate_limits import LimitReached
from application.chat.answer_again import AnswerAgain, AskedAnew
from application.chat.ask_question import AskQuestion
from application.chat.delete_conversation import DeleteConversation
from application.chat.follow_run import FollowRun
from application.chat.ports import AskedQuestion
from application.chat.read_conversations import OpenConversation, OpenMessage, ReadConversations
from application.chat.select_branch import SelectBranch
from application.chat.start_conversation import StartConversation
from domain.chat.branch import Branch, Follows, Position, Replaces
from domain.chat.conversation import TITLE_LENGTH_MAX
from domain.chat.message import MessageRole
from domain.chat.question import Question
from domain.chat.run import WhenBusy
from domain.identity import PERSONAL_USE, Caller, ConversationId, DocumentId, MessageId, Purpose
from entrypoints.http.drain import Drain
from entrypoints.http.idempotency import IdempotencyKey, idempotency_of
from entrypoints.http.injected import Injected
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of
from entrypoints.http.rate_limits import limit_reached
from entrypoints.http.refusals import InvalidFields, WrongField
from entrypoints.http.run_streams import native_stream
from entrypoints.http.runs import RunShown, run_shown, wants_stream
from entrypoints.http.streams import StreamLimits

LIST = "conversations"
AfterSequence = Annotated[
    int,
    QueryParameter(
        ge=0, le=2**31 - 1, description="The sequence number of the last message you have."
    ),
]
BranchName = Annotated[
    UUID | None,
    QueryParameter(description="A message: only those are listed that lead to it, and itself."),
]
ModelName = Annotated[str, Meta(min_length=1, max_length=256)]
QUESTION_BODY_BYTES_MAX = 256 * 1024


class NewConversation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a conversation is called; it may have no title."""

    title: Annotated[str, Meta(max_length=TITLE_LENGTH_MAX)] = ""


class NewMessage(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A question: from 1 to 16,000 characters.

    One's own documents are read for any purpose, those of others under grants for `purpose`.
    With `document_ids` nothing else is read. `model` is one that GET /v1/models lists.

    The question goes on from the selected branch; with `follows` from that answer instead, and
    with `replaces` it stands beside that question. `when_busy` says whether it waits for its turn
    while another answer of the conversation is being written.
    """

    content: str
    model: ModelName | None = None
    purpose: Annotated[str, Meta(min_length=1, max_length=64)] = PERSONAL_USE
    document_ids: Annotated[list[UUID], Meta(max_length=200)] | None = None
    follows: UUID | None = None
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
    it is gone: `access_revoked` or `document_erased`. `run_id` is that of an answer."""

    id: UUID
    conversation_id: UUID
    sequence: int
    parent_id: UUID | None
    role: MessageRole
    content: str | None
    tombstone: str | None
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


class ConversationsController(Controller):
    """/v1/conversations"""

    path = "/v1/conversations"
    tags = ("Chat",)
    exception_handlers = {LimitReached: limit_reached}  # noqa: RUF012

    @post(status_code=201, opt={"example": {"title": "The flat"}})
    async def start_conversation(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        start_conversation: Injected[StartConversation],
        read_conversations: Injected[ReadConversations],
        data: JSONBody[NewConversation],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[ConversationShown]:
        """Start a conversation. It has a key of its own, and nobody but you can open it."""
        started = await start_conversation(
            caller=caller,
            title=data.title,
            idempotency=idempotency_of(request, idempotency_key, data),
        )
        opened = await read_conversations.one(caller=caller, conversation_id=started.id)
        return Response(_shown(opened), headers={"Location": f"{self.path}/{started.id}"})

    @get()
    async def list_conversations(
        self,
        caller: Injected[Caller],
        read_conversations: Injected[ReadConversations],
        cursors: Injected[Cursors],
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[ConversationShown]:
        """One's own conversations, oldest first."""
        after = cursors.open(cursor, of=LIST, tenant_id=caller.tenant_id)
        found = await read_conversations.page(
            caller=caller,
            after=ConversationId(UUID(str(after[0]))) if after else None,
            limit=limit + 1,
        )
        return page_of(
            found,
            limit=limit,
            show=_shown,
            position=lambda each: (str(each.conversation.id),),
            cursors=cursors,
            of=LIST,
            tenant_id=caller.tenant_id,
        )

    @get("/{conversation_id:uuid}")
    async def get_conversation(
        self,
        caller: Injected[Caller],
        read_conversations: Injected[ReadConversations],
        conversation_id: FromPath[UUID],
    ) -> ConversationShown:
        """One of one's own conversations."""
        return _shown(
            await read_conversations.one(
                caller=caller, conversation_id=ConversationId(conversation_id)
            )
        )

    @delete("/{conversation_id:uuid}", status_code=204)
    async def delete_conversation(
        self,
        caller: Injected[Caller],
        delete_conversation: Injected[DeleteConversation],
        conversation_id: FromPath[UUID],
    ) -> None:
        """Delete a conversation with its key. A run in flight ends with it."""
        await delete_conversation(caller=caller, conversation_id=ConversationId(conversation_id))

    @get("/{conversation_id:uuid}/messages")
    async def list_messages(
        self,
        caller: Injected[Caller],
        read_conversations: Injected[ReadConversations],
        conversation_id: FromPath[UUID],
        branch: BranchName = None,
        after: AfterSequence = 0,
        limit: Limit = LIMIT_DEFAULT,
    ) -> Page[MessageShown]:
        """The messages after a sequence number, in order; sequences count from 1, without gaps.

        With `branch` only those of one branch: then there are gaps where others are.
        """
        found = await read_conversations.messages(
            caller=caller,
            conversation_id=ConversationId(conversation_id),
            branch=None if branch is None else MessageId(branch),
            after=after,
            limit=limit,
        )
        return Page(items=[_message_shown(each) for each in found])

    @get("/{conversation_id:uuid}/branches")
    async def list_branches(
        self,
        caller: Injected[Caller],
        read_conversations: Injected[ReadConversations],
        conversation_id: FromPath[UUID],
        after: AfterSequence = 0,
        limit: Limit = LIMIT_DEFAULT,
    ) -> Page[BranchShown]:
        """The branches of a conversation, in the order of their last messages."""
        found = await read_conversations.branches(
            caller=caller,
            conversation_id=ConversationId(conversation_id),
            after=after,
            limit=limit,
        )
        return Page(items=[_branch_shown(each) for each in found])

    @put("/{conversation_id:uuid}/branch", opt={"example": {"message_id": str(UUID(int=0))}})
    async def select_branch(
        self,
        caller: Injected[Caller],
        select_branch: Injected[SelectBranch],
        read_conversations: Injected[ReadConversations],
        conversation_id: FromPath[UUID],
        data: JSONBody[SelectedBranch],
    ) -> ConversationShown:
        """Go on from a branch: the next question follows its last message."""
        conversation = ConversationId(conversation_id)
        await select_branch(
            caller=caller, conversation_id=conversation, message_id=MessageId(data.message_id)
        )
        return _shown(await read_conversations.one(caller=caller, conversation_id=conversation))

    @post(
        "/{conversation_id:uuid}/messages",
        status_code=202,
        request_max_body_size=QUESTION_BODY_BYTES_MAX,
        opt={"example": {"content": "How much is the deposit?"}},
    )
    async def ask(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        ask_question: Injected[AskQuestion],
        follow_run: Injected[FollowRun],
        drain: Injected[Drain],
        stream_limits: Injected[StreamLimits],
        conversation_id: FromPath[UUID],
        data: JSONBody[NewMessage],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[Any]:
        """Ask a question. With `Accept: text/event-stream` the events of the run stream at once.

        A repeat with the same Idempotency-Key joins the run of the first time.
        """
        question = Question(
            text=data.content,
            purpose=Purpose(data.purpose),
            document_ids=_documents(data.document_ids),
        )
        asked = await ask_question(
            caller=caller,
            conversation_id=ConversationId(conversation_id),
            question=question,
            position=position_of(data.follows, data.replaces),
            when_busy=data.when_busy,
            model=data.model,
            idempotency=idempotency_of(request, idempotency_key, data),
        )
        return await _told(request, caller, asked, follow_run, drain, stream_limits)

    @post(
        "/{conversation_id:uuid}/messages/{message_id:uuid}/answers",
        status_code=202,
        request_max_body_size=QUESTION_BODY_BYTES_MAX,
        opt={"example": {}},
    )
    async def answer_again(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        answer_again: Injected[AnswerAgain],
        follow_run: Injected[FollowRun],
        drain: Injected[Drain],
        stream_limits: Injected[StreamLimits],
        conversation_id: FromPath[UUID],
        message_id: FromPath[UUID],
        data: JSONBody[NewAnswer],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[Any]:
        """Answer a question once more, beside the answers that it has: a branch of its own.

        The message is the question, or an answer to it. What may be quoted is decided anew.
        """
        asked = await answer_again(
            caller=caller,
            conversation_id=ConversationId(conversation_id),
            message_id=MessageId(message_id),
            anew=AskedAnew(
                model=data.model,
                purpose=None if data.purpose is None else Purpose(data.purpose),
                document_ids=_documents(data.document_ids),
            ),
            when_busy=data.when_busy,
            idempotency=idempotency_of(request, idempotency_key, data),
        )
        return await _told(request, caller, asked, follow_run, drain, stream_limits)


def position_of(follows: UUID | None, replaces: UUID | None) -> Position | None:
    """Raises InvalidFields where both are named."""
    if follows is not None and replaces is not None:
        both = "A question follows an answer, or it replaces a question; not both."
        raise InvalidFields([WrongField("/replaces", both)])
    if follows is not None:
        return Follows(MessageId(follows))
    return None if replaces is None else Replaces(MessageId(replaces))


async def _told(
    request: Request[Any, Any, Any],
    caller: Caller,
    asked: AskedQuestion,
    follow_run: FollowRun,
    drain: Drain,
    limits: StreamLimits,
) -> Response[Any]:
    """The events of the run where the client asked for them, else how it stands."""
    location = {"Location": f"/v1/runs/{asked.run.id}"}
    if wants_stream(request):
        events = await follow_run(caller=caller, run_id=asked.run.id, after=0)
        return await native_stream(events, drain=drain, limits=limits, headers=location)
    return Response(_asked_shown(asked), status_code=202, headers=location)


def _documents(ids: list[UUID] | None) -> frozenset[DocumentId] | None:
    return None if ids is None else frozenset(map(DocumentId, ids))


def _branch_shown(branch: Branch) -> BranchShown:
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


def _shown(opened: OpenConversation) -> ConversationShown:
    conversation = opened.conversation
    return ConversationShown(
        id=conversation.id,
        title=opened.title,
        message_count=conversation.message_count,
        head_id=conversation.head_id,
        created_at=conversation.created_at,
    )


def _message_shown(opened: OpenMessage) -> MessageShown:
    message = opened.message
    return MessageShown(
        id=message.id,
        conversation_id=message.conversation_id,
        sequence=message.sequence,
        parent_id=message.parent_id,
        role=message.role,
        content=opened.content,
        tombstone=message.tombstone,
        run_id=message.run_id,
        created_at=message.created_at,
    )


def _asked_shown(asked: AskedQuestion) -> AskedShown:
    opened = OpenMessage(message=asked.message, content=asked.question.text)
    return AskedShown(message=_message_shown(opened), run=run_shown(asked.run))
