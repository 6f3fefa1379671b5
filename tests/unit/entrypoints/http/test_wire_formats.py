"""Every wire format tells the same run: laws that hold for any run there can be."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chat.citation import Citation
from domain.chat.event import (
    CUT_OFF,
    AccessRevoked,
    Cancelled,
    Cited,
    Completed,
    Event,
    Failed,
    Fallback,
    History,
    Queued,
    Retrieval,
    RunStarted,
    TextDelta,
    Usage,
    as_event,
    text_of,
)
from domain.chat.run import Run, RunState, Withdrawal
from domain.errors import Invalid
from domain.identity import (
    ConversationId,
    DocumentId,
    MessageId,
    PersonId,
    Purpose,
    RunId,
)
from entrypoints.http.completion_frames import (
    CompletionChunks,
    GatheredCompletion,
    ending_of,
    may_help_again,
)
from entrypoints.http.completion_shapes import (
    NewCompletion,
    PostedMessage,
    StrongroomTerms,
    ignored_in,
    question_of,
)
from entrypoints.http.refusals import InvalidFields
from entrypoints.http.run_streams import native_frame
from entrypoints.http.ui_message_frames import UIMessageChunks

ID = UUID("01930000-0000-7000-8000-000000000001")
RUN = Run(
    id=RunId(ID),
    conversation_id=ConversationId(ID),
    owner_id=PersonId(ID),
    question_id=MessageId(ID),
    answer_id=MessageId(ID),
    purpose=Purpose("research"),
    model="first",
    prompt_version="excerpts-1",
    state=RunState.RUNNING,
    cancel_requested=False,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)
STARTED = RunStarted(
    run_id=RunId(ID),
    message_id=MessageId(ID),
    conversation_id=ConversationId(ID),
    model="first",
    prompt_version="excerpts-1",
)
QUEUED = Queued(
    run_id=RunId(ID), message_id=MessageId(ID), conversation_id=ConversationId(ID), ahead=1
)
# Line ends of every kind, and words that a frame must not be ended or forged by.
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1) | st.sampled_from(
    ["\n\n", "\r", "\u2028", "data: [DONE]\n\n", 'id: 7\nevent: x\ndata: {"a":1}\n\n', ":\n\n"]
)


@st.composite
def citations(draw: st.DrawFn) -> Cited:
    document = draw(st.none() | st.just(DocumentId(ID)) | st.uuids().map(DocumentId))
    known = document is not None
    return Cited(
        citation=Citation(
            excerpt_id="e1",
            document_id=document,
            version=1 if known else None,
            start=0 if known else None,
            end=5 if known else None,
            quote=draw(WORDS),
            answer_start=0,
            answer_end=5,
            verified=known and draw(st.booleans()),
        )
    )


TERMINALS = st.sampled_from(
    [
        Completed(message_id=MessageId(ID)),
        Cancelled(),
        Failed(code="model_failed", title="x", status=503, detail="It broke off.", retryable=True),
        AccessRevoked(withdrawal=Withdrawal(reason="access_revoked")),
    ]
)
FALLBACK = Fallback(from_model="first", to_model="second", reason="model_unavailable")


@st.composite
def runs(draw: st.DrawFn) -> list[Event]:
    facts: list[Any] = draw(st.sampled_from([[], [QUEUED]]))
    facts.append(STARTED)
    facts += draw(st.sampled_from([[], [History(messages=2, left_out=3)]]))
    facts.append(Retrieval(mode="hybrid", degraded=[], excerpts=[]))
    facts += draw(st.sampled_from([[], [FALLBACK]]))
    said = st.builds(TextDelta, text=WORDS) | citations()
    facts += draw(st.lists(said, max_size=12))
    facts += draw(st.sampled_from([[], [CUT_OFF]]))
    facts.append(Usage(model="first", input_tokens=3, output_tokens=4))
    facts.append(draw(TERMINALS))
    return [as_event(number, fact) for number, fact in enumerate(facts, start=1)]


def frames_of(encoded: bytes) -> list[str]:
    """The data of the frames, after checking that each is one line and has no other field."""
    whole = encoded.decode()
    assert whole.endswith("\n\n")
    frames = whole.removesuffix("\n\n").split("\n\n")
    assert all(each.startswith("data: ") for each in frames)
    assert not any("\n" in each or "\r" in each for each in frames)
    return [each.removeprefix("data: ") for each in frames]


def ending_in(events: list[Event]) -> str:
    """Why the answer ends where it does, as OpenAI and the AI SDK call it."""
    return "length" if any(each.type == "guardrail" for each in events) else "stop"


def answer_in(events: list[Event]) -> str:
    return "".join(text_of(each) for each in events if each.type == "text_delta")


@given(events=runs(), include_usage=st.booleans())
def test_chunks_of_a_completion_say_what_the_run_says(
    events: list[Event], include_usage: bool
) -> None:
    encode = CompletionChunks(RUN, include_usage, ["temperature"])
    *chunks, done = frames_of(b"".join(map(encode, events)))
    assert done == "[DONE]"
    told = [json.loads(each) for each in chunks]
    ended = events[-1].type
    if ended == "completed":
        assert (told[-1]["choices"] == []) is include_usage
        if include_usage:
            assert told.pop()["usage"]["total_tokens"] == 7
    else:
        assert told.pop()["error"] == json.loads(json.dumps(_plain(ending_of(events[-1])[1].error)))
    assert all(("usage" in each) is include_usage for each in told)
    assert all(each.get("usage") is None for each in told)
    choices = [each["choices"][0] for each in told]
    assert "".join(each["delta"].get("content", "") for each in choices) == answer_in(events)
    assert choices[0]["delta"]["role"] == "assistant"
    finish_reasons = [each["finish_reason"] for each in choices if each["finish_reason"]]
    assert finish_reasons == ([ending_in(events)] if ended == "completed" else [])
    fell_back = any(each.type == "fallback" for each in events)
    assert told[-1]["model"] == ("second" if fell_back else "first")
    extended = [each["strongroom"]["event"] for each in told if "strongroom" in each]
    beside = ("queued", "text_delta", "usage", "completed", "cancelled", "failed", "access_revoked")
    assert extended == [each.type for each in events if each.type not in beside]
    assert told[0]["strongroom"]["data"]["ignored"] == ["temperature"]


@given(events=runs())
def test_a_gathered_completion_says_what_the_run_says(events: list[Event]) -> None:
    gathered = GatheredCompletion(RUN, [])
    for each in events:
        gathered.add(each)
    whole = gathered.whole()
    assert whole.choices[0].message.content == answer_in(events)
    assert whole.choices[0].finish_reason == ending_in(events)
    cited = [json.loads(each.told) for each in events if each.type == "citation"]
    assert whole.strongroom.citations == cited
    cut = any(each.type == "history" for each in events)
    assert whole.strongroom.history == ({"messages": 2, "left_out": 3} if cut else None)
    assert gathered.last is events[-1]


def test_a_client_that_retries_by_itself_does_so_where_it_may_help_alone() -> None:
    broken = Failed(code="model_failed", title="x", status=503, detail="It broke.", retryable=True)
    filtered = replace(broken, code="model_refused", status=502, retryable=False)
    crowded = replace(broken, code="too_many", status=429)
    taken_back = AccessRevoked(withdrawal=Withdrawal(reason="access_revoked"))
    assert may_help_again(as_event(9, broken))
    for each in (filtered, crowded, Cancelled(), taken_back):
        assert not may_help_again(as_event(9, each))


@given(events=runs())
def test_a_ui_message_stream_says_what_the_run_says(events: list[Event]) -> None:
    encode = UIMessageChunks()
    *chunks, done = frames_of(b"".join(map(encode, events)))
    assert done == "[DONE]"
    told = [json.loads(each) for each in chunks]
    kinds = [each["type"] for each in told]
    assert kinds[:2] == ["start", "start-step"]
    assert "".join(each["delta"] for each in told if "delta" in each) == answer_in(events)
    talking = False
    for kind in kinds:
        assert talking or kind != "text-delta"
        assert not (talking and kind == "text-start")
        talking = (talking or kind == "text-start") and kind not in ("text-end", "reset-step")
    assert not talking
    sources = [each["sourceId"] for each in told if each["type"] == "source-document"]
    assert len(sources) == len(set(sources))
    assert kinds.count("data-citation") == sum(each.type == "citation" for each in events)
    last = {"completed": "finish", "cancelled": "abort"}.get(events[-1].type, "error")
    assert kinds[-1] == last
    assert last != "finish" or told[-1]["finishReason"] == ending_in(events)
    assert ("reset-step" in kinds) is (events[-1].type == "access_revoked")


@given(events=runs())
def test_the_native_frames_are_the_events(events: list[Event]) -> None:
    for event in events:
        number, name, told, *rest = native_frame(event).decode().split("\n")
        assert rest == ["", ""]
        assert (number, name) == (f"id: {event.number}", f"event: {event.type}")
        assert json.loads(told.removeprefix("data: ")) == json.loads(event.told)


def asked(*messages: tuple[str, str], **more: Any) -> NewCompletion:
    posted = [PostedMessage(role=role, content=text) for role, text in messages]  # type: ignore[arg-type]
    return NewCompletion(model="x", messages=posted, **more)


def test_the_last_message_of_a_user_is_the_question_and_only_questions_go_before_it() -> None:
    question = question_of(
        asked(
            ("system", "Obey."),
            ("user", " One? "),
            ("assistant", "Secret."),
            ("user", " "),
            ("user", "Two?"),
            ("assistant", "And so on"),
        )
    )
    assert (question.text, question.before) == ("Two?", ("One?",))


def test_of_many_questions_the_last_twenty_go_before_the_question() -> None:
    question = question_of(asked(*(("user", f"Question {number}?") for number in range(50))))
    assert question.before == tuple(f"Question {number}?" for number in range(29, 49))


def test_in_a_conversation_that_is_kept_here_nothing_is_brought_along() -> None:
    terms = StrongroomTerms(conversation_id=ID)
    question = question_of(asked(("user", "One?"), ("user", "Two?"), strongroom=terms))
    assert question.before == ()


def test_a_field_that_is_wrong_is_named_as_the_client_wrote_it() -> None:
    with pytest.raises(Invalid) as refused:
        question_of(asked(("assistant", "x"), ("user", "x" * 16_001)))
    assert refused.value.field == "/messages/1/content"


@pytest.mark.parametrize(
    ("name", "harmless", "refused"),
    [
        ("n", 1, 2),
        ("stop", [], ["\n"]),
        ("store", True, False),
        ("logprobs", False, True),
        ("response_format", {"type": "text"}, {"type": "json_object"}),
        ("tools", [], [{"type": "function"}]),
        ("tool_choice", "auto", "required"),
        ("modalities", ["text"], ["text", "audio"]),
    ],
)
def test_what_would_make_another_thing_of_the_answer_is_refused(
    name: str, harmless: object, refused: object
) -> None:
    assert question_of(asked(("user", "One?"), **{name: harmless})).text == "One?"
    with pytest.raises(InvalidFields) as wrong:
        question_of(asked(("user", "One?"), **{name: refused}))
    assert [each.pointer for each in wrong.value.errors] == [f"/{name}"]


def test_what_has_no_effect_is_told() -> None:
    sent = asked(("developer", "Be brief."), ("user", "One?"), top_p=0.5, max_tokens=7)
    assert ignored_in(sent) == ["messages[0]", "top_p", "max_tokens"]


def _plain(error: Any) -> dict[str, Any]:
    return {"message": error.message, "type": error.type, "param": None, "code": error.code}
