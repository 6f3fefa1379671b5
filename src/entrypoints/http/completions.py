"""Chat Completions: the API that existing clients and front ends already speak.

A question goes through the same gate, and its answer is the same durable run, as anywhere else.
"""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Request, Response, post
from litestar.enums import MediaType
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody
from litestar.types import Receive

from application.chat import model_chain
from application.chat.ask_anew import AskAnew
from application.chat.ask_question import AskQuestion
from application.chat.cancel_run import CancelRun
from application.chat.follow_run import Events, FollowRun
from application.chat.ports import AskedQuestion
from application.consent.name_purpose import NamePurpose
from application.ports import Idempotency
from domain.chat.event import EventType
from domain.chat.question import Question
from domain.chat.run import RunNotFound
from domain.identity import Caller, ConversationId
from entrypoints.http.completion_frames import (
    CompletionChunks,
    GatheredCompletion,
    ending_of,
    may_help_again,
)
from entrypoints.http.completion_shapes import (
    Completion,
    NewCompletion,
    StreamOptions,
    ignored_in,
    question_of,
)
from entrypoints.http.drain import Drain
from entrypoints.http.idempotency import IdempotencyKey, idempotency_of
from entrypoints.http.injected import Injected
from entrypoints.http.openai_errors import OPENAI_ERRORS, OpenAIErrorBody
from entrypoints.http.openai_models import ModelUnknown
from entrypoints.http.refusals import ClientGone
from entrypoints.http.run_streams import Left, cancelling, stream_of
from entrypoints.http.streams import StreamLimits, disconnected

HISTORY_BODY_BYTES_MAX = 1024 * 1024


@post(
    "/v1/chat/completions",
    status_code=200,
    tags=["OpenAI"],
    exception_handlers=OPENAI_ERRORS,
    request_max_body_size=HISTORY_BODY_BYTES_MAX,
    responses={200: ResponseSpec(Completion, description="With `stream`, chunks of an answer.")},
    opt={
        "example": {
            "model": "extractive-1",
            "messages": [{"role": "user", "content": "How much is the deposit?"}],
        },
        "error_shape": OpenAIErrorBody,
    },
)
async def complete_chat(
    request: Request[Any, Any, Any],
    caller: Injected[Caller],
    ask_question: Injected[AskQuestion],
    ask_anew: Injected[AskAnew],
    name_purpose: Injected[NamePurpose],
    follow_run: Injected[FollowRun],
    cancel_run: Injected[CancelRun],
    drain: Injected[Drain],
    stream_limits: Injected[StreamLimits],
    data: JSONBody[NewCompletion],
    idempotency_key: IdempotencyKey = None,
) -> Response[Any]:
    """Answer the last message of a user, in OpenAI's format.

    Citations and what was searched are in `strongroom`. Closing the connection stops the answer,
    unless an Idempotency-Key says that the client means to come back: a repeat joins its run.
    """
    idempotency = idempotency_of(request, idempotency_key, data)
    question = question_of(data)
    await name_purpose(caller=caller, code=question.purpose, field="/strongroom/purpose")
    try:
        asked = await _asked(caller, data, question, idempotency, ask_question, ask_anew)
    except model_chain.ModelUnknown:
        raise ModelUnknown from None
    run, ignored = asked.run, ignored_in(data)
    left = None
    if idempotency is None:
        left = cancelling(cancel_run, caller=caller, run_id=run.id, drain=drain)
    events = await follow_run(caller=caller, run_id=run.id, after=0)
    if not data.stream:
        gathered = GatheredCompletion(run, ignored)
        return await _whole(gathered, events, request.receive, left)
    options = data.stream_options or StreamOptions()
    return await stream_of(
        events,
        CompletionChunks(run, options.include_usage, ignored),
        drain=drain,
        limits=stream_limits,
        resumable=False,
        left=left,
    )


async def _asked(
    caller: Caller,
    data: NewCompletion,
    question: Question,
    idempotency: Idempotency | None,
    ask_question: AskQuestion,
    ask_anew: AskAnew,
) -> AskedQuestion:
    if data.strongroom is None or data.strongroom.conversation_id is None:
        return await ask_anew(
            caller=caller, question=question, model=data.model, idempotency=idempotency
        )
    return await ask_question(
        caller=caller,
        conversation_id=ConversationId(data.strongroom.conversation_id),
        question=question,
        model=data.model,
        idempotency=idempotency,
    )


async def _whole(
    gathered: GatheredCompletion, events: Events, receive: Receive, left: Left | None
) -> Response[Any]:
    """The answer in one piece, or how it ended instead. Raises ClientGone when nobody waits."""
    gone = asyncio.create_task(disconnected(receive))
    reading = asyncio.create_task(_gather(gathered, events))
    try:
        await asyncio.wait({gone, reading}, return_when=asyncio.FIRST_COMPLETED)
        if not reading.done():
            raise ClientGone
        reading.result()
    finally:
        for task in (gone, reading):
            task.cancel()
        await asyncio.wait({gone, reading})
        await events.aclose()
        if gathered.last is None and left is not None:
            await left()
    last = gathered.last
    if last is None:  # deleted with its conversation
        raise RunNotFound
    if last.type is EventType.COMPLETED:
        return Response(gathered.whole(), media_type=MediaType.JSON)
    status, error = ending_of(last)
    # To ask again is the asker's decision, not that of a client that retries by itself, unless it
    # may well help: each time is a run of its own, that is paid for.
    headers = {} if may_help_again(last) else {"X-Should-Retry": "false"}
    return Response(error, status_code=status, media_type=MediaType.JSON, headers=headers)


async def _gather(gathered: GatheredCompletion, events: Events) -> None:
    async for event in events:
        gathered.add(event)
