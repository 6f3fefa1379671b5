"""Conversations over HTTP: start, ask, list, reread, delete."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post, put
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from adapters.memory.rate_limits import LimitReached
from application.chat.answer_again import AnswerAgain, AskedAnew
from application.chat.ask_question import AskQuestion
from application.chat.delete_conversation import DeleteConversation
from application.chat.follow_run import FollowRun
from application.chat.ports import AskedQuestion
from application.chat.read_conversations import ReadConversations
from application.chat.select_branch import SelectBranch
from application.chat.start_conversation import StartConversation
from application.consent.name_purpose import NamePurpose
from domain.chat.question import Question
from domain.identity import Caller, ConversationId, MessageId
from entrypoints.http.chat_shapes import (
    BranchShown,
    ConversationShown,
    MessageShown,
    NewAnswer,
    NewConversation,
    NewMessage,
    SelectedBranch,
    asked_shown,
    branch_shown,
    conversation_shown,
    documents_of,
    message_shown,
    position_of,
)
from entrypoints.http.drain import Drain
from entrypoints.http.idempotency import IdempotencyKey, idempotency_of
from entrypoints.http.injected import Injected
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of
from entrypoints.http.rate_limits import limit_reached
from entrypoints.http.run_streams import EVENT_STREAM, native_stream
from entrypoints.http.runs import wants_stream
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
QUESTION_BODY_BYTES_MAX = 256 * 1024


_STREAMED = {
    200: ResponseSpec(
        str,
        generate_examples=False,
        media_type=EVENT_STREAM,
        description="To who accepts `text/event-stream`: the events of the run.",
    )
}


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
        return Response(
            conversation_shown(opened), headers={"Location": f"{self.path}/{started.id}"}
        )

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
            show=conversation_shown,
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
        return conversation_shown(
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
        return Page(items=[message_shown(each) for each in found])

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
        return Page(items=[branch_shown(each) for each in found])

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
        return conversation_shown(
            await read_conversations.one(caller=caller, conversation_id=conversation)
        )

    @post(
        "/{conversation_id:uuid}/messages",
        status_code=202,
        request_max_body_size=QUESTION_BODY_BYTES_MAX,
        responses=_STREAMED,
        opt={"example": {"content": "How much is the deposit?"}},
    )
    async def ask(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        ask_question: Injected[AskQuestion],
        name_purpose: Injected[NamePurpose],
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
            purpose=await name_purpose(caller=caller, code=data.purpose, field="/purpose"),
            document_ids=documents_of(data.document_ids),
        )
        asked = await ask_question(
            caller=caller,
            conversation_id=ConversationId(conversation_id),
            question=question,
            position=position_of(data.parent_id, data.replaces),
            when_busy=data.when_busy,
            model=data.model,
            idempotency=idempotency_of(request, idempotency_key, data),
        )
        return await _told(request, caller, asked, follow_run, drain, stream_limits)

    @post(
        "/{conversation_id:uuid}/messages/{message_id:uuid}/answers",
        status_code=202,
        request_max_body_size=QUESTION_BODY_BYTES_MAX,
        responses=_STREAMED,
        opt={"example": {}},
    )
    async def answer_again(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        answer_again: Injected[AnswerAgain],
        name_purpose: Injected[NamePurpose],
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
        purpose = None
        if data.purpose is not None:
            purpose = await name_purpose(caller=caller, code=data.purpose, field="/purpose")
        asked = await answer_again(
            caller=caller,
            conversation_id=ConversationId(conversation_id),
            message_id=MessageId(message_id),
            anew=AskedAnew(
                model=data.model,
                purpose=purpose,
                document_ids=documents_of(data.document_ids),
            ),
            when_busy=data.when_busy,
            idempotency=idempotency_of(request, idempotency_key, data),
        )
        return await _told(request, caller, asked, follow_run, drain, stream_limits)


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
    return Response(asked_shown(asked), status_code=202, headers=location)
