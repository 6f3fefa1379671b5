"""Runs over HTTP: look at one, follow its events, cancel it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.params import FromPath, HeaderParameter
from litestar.response import Stream

from application.chat.cancel_run import CancelRun
from application.chat.follow_run import FollowRun
from application.chat.ports import Chats
from application.chat.spending import Spending
from domain.chat.message import Kept
from domain.chat.model_call import ANSWERED, ModelCall
from domain.chat.price import MICROS
from domain.chat.run import Run, RunNotFound, RunState
from domain.identity import Caller, LawfulBasis, RunId
from entrypoints.http.drain import Drain
from entrypoints.http.injected import Injected
from entrypoints.http.query import AfterEvent
from entrypoints.http.run_streams import EVENT_STREAM, native_stream
from entrypoints.http.sse import resume_after
from entrypoints.http.streams import StreamLimits


class KeepingShown(msgspec.Struct, kw_only=True):
    """On which basis an earlier withdrawal left an answer where it was, and since when."""

    lawful_basis: LawfulBasis
    reference: str
    since: datetime


class KeptShown(msgspec.Struct, kw_only=True):
    """Why an answer stayed when a consent that it rests on was withdrawn, and since when.

    `lawful_basis` is one of Article 6(1) of the GDPR, at the last withdrawal; `earlier` are those
    before it, the oldest first. It is there to be read again by whoever was answered; later
    questions do not build on it.
    """

    lawful_basis: LawfulBasis
    reference: str
    since: datetime
    earlier: list[KeepingShown]


class RunShown(msgspec.Struct, kw_only=True):
    """A run as it stands. `answer_id` is the message that it writes; `kept` is there where that
    outlived the withdrawal of a consent."""

    id: UUID
    conversation_id: UUID
    question_id: UUID
    answer_id: UUID
    state: RunState
    purpose: str
    model: str
    prompt_version: str
    cancel_requested: bool
    created_at: datetime
    ended_at: datetime | None
    kept: KeptShown | None


class ModelCallShown(msgspec.Struct, kw_only=True):
    """A call to a model. `outcome` is `answered`, the code of what went wrong, or
    `hedged`: it was slow, and stopped when another model began to answer.

    `cost` is null where no price of that day is known; `estimated`: the model did not say what it
    took. `first_token_seconds` is null where nothing came.
    """

    model: str
    outcome: str
    input_tokens: int
    output_tokens: int
    cost: float | None
    estimated: bool
    first_token_seconds: float | None


class RunTold(RunShown, kw_only=True):
    """A run, the model that answered, and each call that was made for it, in order.

    Both are empty until the run is over.
    """

    answered_by: str | None
    calls: list[ModelCallShown]
    currency: str


class RunsController(Controller):
    """/v1/runs"""

    path = "/v1/runs"
    tags = ("Chat",)

    @get("/{run_id:uuid}")
    async def get_run(
        self,
        caller: Injected[Caller],
        chats: Injected[Chats],
        spending: Injected[Spending],
        run_id: FromPath[UUID],
    ) -> RunTold:
        """One of one's own runs, and which models were tried for it."""
        run = await chats.run(caller, RunId(run_id))
        if run is None:
            raise RunNotFound
        calls = [noted.call for noted in await spending.of_run(caller, run.id)]
        answered = [call.model for call in calls if call.outcome == ANSWERED]
        return RunTold(
            **msgspec.structs.asdict(run_shown(run)),
            answered_by=answered[-1] if answered else None,
            calls=[_call_shown(call) for call in calls],
            currency=spending.currency,
        )

    @get("/{run_id:uuid}/events", media_type=EVENT_STREAM)
    async def follow_run(
        self,
        caller: Injected[Caller],
        follow_run: Injected[FollowRun],
        drain: Injected[Drain],
        stream_limits: Injected[StreamLimits],
        run_id: FromPath[UUID],
        last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
        after: AfterEvent = None,
    ) -> Stream:
        """The events of a run after a number, up to its end; the id of each is its number.

        They are the same bytes live and replayed. 403 once the answer was taken back, and
        `insufficient_user_authentication` where it rests on a grant that demands a second factor
        and the session is without; where that turns out later, the stream ends before its last
        event. Of an answer that was kept when consent was withdrawn, an event `kept` says so
        before the last one.
        """
        number = min(resume_after(last_event_id, after), 2**31 - 1)
        events = await follow_run(caller=caller, run_id=RunId(run_id), after=number)
        return await native_stream(events, drain=drain, limits=stream_limits)

    @post("/{run_id:uuid}/cancel", status_code=202)
    async def cancel_run(
        self,
        caller: Injected[Caller],
        cancel_run: Injected[CancelRun],
        run_id: FromPath[UUID],
    ) -> RunShown:
        """Ask a run to stop; its last event says that it did. One that has ended stays as it is."""
        return run_shown(await cancel_run(caller=caller, run_id=RunId(run_id)))


def wants_stream(request: Request[Any, Any, Any]) -> bool:
    """Whether the client asked for server-sent events by name."""
    accepted = request.headers.get("accept", "").lower().split(",")
    return any(each.partition(";")[0].strip() == EVENT_STREAM for each in accepted)


def _call_shown(call: ModelCall) -> ModelCallShown:
    return ModelCallShown(
        model=call.model,
        outcome=call.outcome,
        input_tokens=call.tokens.input,
        output_tokens=call.tokens.output,
        cost=None if call.cost_micros is None else call.cost_micros / MICROS,
        estimated=call.is_estimated,
        first_token_seconds=call.first_piece_seconds,
    )


def run_shown(run: Run) -> RunShown:
    return RunShown(
        id=run.id,
        conversation_id=run.conversation_id,
        question_id=run.question_id,
        answer_id=run.answer_id,
        state=run.state,
        purpose=run.purpose,
        model=run.model,
        prompt_version=run.prompt_version,
        cancel_requested=run.cancel_requested,
        created_at=run.created_at,
        ended_at=run.ended_at,
        kept=kept_shown(run.kept),
    )


def kept_shown(kept: Kept | None) -> KeptShown | None:
    if kept is None:
        return None
    earlier = [
        KeepingShown(lawful_basis=each.lawful_basis, reference=each.reference, since=each.since)
        for each in kept.earlier
    ]
    return KeptShown(
        lawful_basis=kept.lawful_basis,
        reference=kept.reference,
        since=kept.since,
        earlier=earlier,
    )
