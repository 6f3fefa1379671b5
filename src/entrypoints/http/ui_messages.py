"""The AI SDK's chat: front ends that use its `useChat` work with an address and a token.

The chat's id, which the client makes up, names a conversation of the asker's own. Of the messages
that the client repeats only the last one is read: the conversation is kept here. The others' ids
say which of its branches the client shows.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from litestar.response import Stream
from msgspec import Meta

from adapters.memory.rate_limits import LimitReached
from application.chat.answer_again import AnswerAgain, AskedAnew
from application.chat.ask_question import AskQuestion
from application.chat.follow_run import FollowRun
from application.chat.named_conversations import NamedConversations
from application.chat.ports import Chats
from application.consent.name_purpose import NamePurpose
from domain.chat.conversation import title_from
from domain.chat.question import Question
from domain.errors import Invalid
from domain.identity import PERSONAL_USE, Caller, DocumentId, Purpose, RunId
from entrypoints.http.completion_shapes import MESSAGES_MAX, MessagePart
from entrypoints.http.completions import HISTORY_BODY_BYTES_MAX
from entrypoints.http.drain import Drain
from entrypoints.http.idempotency import IdempotencyKey, idempotency_of
from entrypoints.http.injected import Injected
from entrypoints.http.rate_limits import limit_reached
from entrypoints.http.refusals import InvalidFields, WrongField
from entrypoints.http.run_streams import EVENT_STREAM, stream_of
from entrypoints.http.streams import StreamLimits
from entrypoints.http.ui_message_frames import HEADERS, UIMessageChunks
from entrypoints.http.ui_positions import ShownChat

NAME = r"^[!-~]{1,100}$"


class UIMessage(msgspec.Struct, kw_only=True):
    """A message as the AI SDK keeps it; what else is in it is the client's."""

    role: Literal["system", "user", "assistant"]
    parts: list[MessagePart]
    id: Annotated[str, Meta(max_length=256)] = ""


class NewChatMessage(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the AI SDK's transport sends: all messages, of which the last one of the user is read,
    or that `message` alone.

    `id` is the chat's, from 1 to 100 visible ASCII characters. One's own documents are read for
    any purpose, those of others under grants for `purpose`; with `document_ids` nothing else is.
    """

    id: Annotated[str, Meta(pattern=NAME, max_length=100)]
    messages: Annotated[list[UIMessage], Meta(max_length=MESSAGES_MAX)] | None = None
    message: UIMessage | None = None
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    message_id: Annotated[str, Meta(max_length=256)] | None = msgspec.field(
        default=None, name="messageId"
    )
    model: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    purpose: Annotated[str, Meta(min_length=1, max_length=64)] = PERSONAL_USE
    document_ids: Annotated[list[UUID], Meta(max_length=200)] | None = None


class UIMessagesController(Controller):
    """/api/chat"""

    path = "/api/chat"
    tags = ("AI SDK",)
    exception_handlers = {LimitReached: limit_reached}  # noqa: RUF012

    @post(
        status_code=200,
        media_type=EVENT_STREAM,
        request_max_body_size=HISTORY_BODY_BYTES_MAX,
        opt={
            "example": {
                "id": "k3J9sPq2",
                "messages": [
                    {
                        "id": "m1",
                        "role": "user",
                        "parts": [{"type": "text", "text": "How much is the deposit?"}],
                    }
                ],
                "trigger": "submit-message",
            }
        },
    )
    async def ask_in_chat(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        named_conversations: Injected[NamedConversations],
        ask_question: Injected[AskQuestion],
        answer_again: Injected[AnswerAgain],
        name_purpose: Injected[NamePurpose],
        chats: Injected[Chats],
        follow_run: Injected[FollowRun],
        drain: Injected[Drain],
        stream_limits: Injected[StreamLimits],
        data: JSONBody[NewChatMessage],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[Any]:
        """Ask in a chat, and read the answer as a UI message stream.

        A message that was sent before joins its run. One that was edited, and an answer that is
        to be made anew, begin a branch, as any question does that follows an answer which others
        followed before. A closed connection stops nothing: `POST /v1/runs/{run_id}/cancel` does,
        and the message's metadata names the run.
        """
        purpose = await name_purpose(caller=caller, code=data.purpose, field="/purpose")
        shown, question = _asked(data, purpose)
        if await named_conversations.find(caller=caller, name=data.id) is None:
            await ask_question.assert_possible(caller=caller, question=question, model=data.model)
        conversation_id = await named_conversations.open(
            caller=caller, name=data.id, title=title_from(question.text)
        )
        claim = idempotency_of(request, idempotency_key, data)
        repeated = None
        if data.trigger == "regenerate-message":
            repeated = await shown.repeated(chats, caller, conversation_id)
        else:
            claim = claim or shown.claim([data.purpose, data.document_ids, data.model])
        if repeated is not None:
            asked = await answer_again(
                caller=caller,
                conversation_id=conversation_id,
                message_id=repeated,
                anew=AskedAnew(
                    model=data.model,
                    purpose=question.purpose,
                    document_ids=question.document_ids,
                ),
                idempotency=claim,
            )
        else:
            asked = await ask_question(
                caller=caller,
                conversation_id=conversation_id,
                question=question,
                position=await shown.position(chats, caller, conversation_id),
                model=data.model,
                idempotency=claim,
            )
        return await _stream(caller, asked.run.id, follow_run, drain, stream_limits)

    @get(
        "/{chat_id:str}/stream",
        media_type=EVENT_STREAM,
        responses={204: ResponseSpec(None, description="No answer is being written.")},
    )
    async def resume_chat(
        self,
        caller: Injected[Caller],
        named_conversations: Injected[NamedConversations],
        chats: Injected[Chats],
        follow_run: Injected[FollowRun],
        drain: Injected[Drain],
        stream_limits: Injected[StreamLimits],
        chat_id: FromPath[str],
    ) -> Response[Any]:
        """The answer that is being written in a chat, from its first word; 204 if there is none."""
        run = None
        if re.fullmatch(NAME, chat_id):
            found = await named_conversations.find(caller=caller, name=chat_id)
            run = None if found is None else await chats.active_run(caller, found)
        if run is None:
            return Response(None, status_code=204)
        return await _stream(caller, run.id, follow_run, drain, stream_limits)


async def _stream(
    caller: Caller, run_id: RunId, follow_run: FollowRun, drain: Drain, limits: StreamLimits
) -> Stream:
    events = await follow_run(caller=caller, run_id=run_id, after=0)
    return await stream_of(
        events, UIMessageChunks(), drain=drain, limits=limits, headers=HEADERS, resumable=False
    )


def _asked(data: NewChatMessage, purpose: Purpose) -> tuple[ShownChat, Question]:
    """The chat up to the message that asks, and its question. Raises Invalid, by field."""
    if (data.message is None) == (data.messages is None):
        told = "Send all messages, or the last one as `message`."
        raise InvalidFields([WrongField("/messages", told)])
    place, message = "/message", data.message
    answers: list[str] = []
    last = 0
    for position, each in enumerate(data.messages or ()):
        if each.role == "user":
            place, message, last = f"/messages/{position}", each, len(answers)
        elif each.role == "assistant":
            answers.append(each.id)
    if message is None or message.role != "user":
        raise InvalidFields([WrongField(place, "There is no message of a user to answer.")])
    for position, part in enumerate(message.parts):
        if part.type != "text" or part.text is None:
            raise InvalidFields([WrongField(f"{place}/parts/{position}", "Only text is read.")])
    ids = data.document_ids
    try:
        question = Question(
            text="\n".join(part.text or "" for part in message.parts),
            purpose=purpose,
            document_ids=None if ids is None else frozenset(map(DocumentId, ids)),
        )
    except Invalid as refused:
        if refused.field == "/content":
            refused.field = f"{place}/parts"
        raise
    shown = ShownChat(
        chat=data.id,
        message_id=message.id,
        texts=[part.text for part in message.parts],
        answer_ids=answers[:last],
        named_id=data.message_id,
        is_edited=data.trigger == "submit-message" and data.message_id is not None,
    )
    return shown, question
