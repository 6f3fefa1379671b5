"""Events: what they say on the wire, and that they say it once."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.chat.citation import Citation
from domain.chat.event import (
    STATE_AFTER,
    AccessRevoked,
    AnswerKept,
    Cancelled,
    Cited,
    Completed,
    Degradation,
    EventType,
    Failed,
    Fallback,
    Guardrail,
    History,
    Queued,
    Retrieval,
    RetrievedExcerpt,
    RunStarted,
    TextDelta,
    Usage,
    as_event,
    text_of,
)
from domain.chat.message import Kept
from domain.chat.run import AnswerWithdrawn, Run, RunState, Withdrawal
from domain.errors import StepUpRequired
from domain.identity import (
    Acr,
    ConversationId,
    DocumentId,
    GrantId,
    LawfulBasis,
    MessageId,
    PersonId,
    Purpose,
    RunId,
)
from domain.place import Place

ID = UUID(int=7)
TOLD = [
    (
        Queued(
            run_id=RunId(ID),
            message_id=MessageId(ID),
            conversation_id=ConversationId(ID),
            ahead=2,
        ),
        {"run_id", "message_id", "conversation_id", "ahead"},
    ),
    (
        RunStarted(
            run_id=RunId(ID),
            message_id=MessageId(ID),
            conversation_id=ConversationId(ID),
            model="m",
            prompt_version="p",
        ),
        {"run_id", "message_id", "conversation_id", "model", "prompt_version"},
    ),
    (
        Retrieval(
            mode="hybrid",
            degraded=[Degradation(step="semantic", reason="slow")],
            excerpts=[
                RetrievedExcerpt(id="e1", document_id=DocumentId(ID), version=1, start=0, end=9)
            ],
        ),
        {"mode", "degraded", "excerpts"},
    ),
    (TextDelta(text="ü"), {"text"}),
    (
        AnswerKept(
            kept=Kept(
                lawful_basis=LawfulBasis.CONTRACT,
                reference="Clause 4",
                since=datetime(2026, 11, 29, tzinfo=UTC),
            )
        ),
        {"lawful_basis", "reference", "since", "earlier"},
    ),
    (
        Cited(
            citation=Citation(
                excerpt_id="e1",
                document_id=DocumentId(ID),
                version=1,
                start=0,
                end=1,
                quote="q",
                answer_start=0,
                answer_end=1,
                verified=True,
            )
        ),
        {"excerpt_id", "document_id", "version", "start", "end", "quote", "answer_start",
         "answer_end", "verified", "field"},
    ),
    (History(messages=1, left_out=2), {"messages", "left_out"}),
    (Guardrail(kind="links", decision="neutralised"), {"kind", "decision"}),
    (
        Usage(model="m", input_tokens=1, output_tokens=2),
        {"model", "input_tokens", "output_tokens", "cost", "currency", "estimated"},
    ),
    (Fallback(from_model="a", to_model="b", reason="r"), {"from", "to", "reason"}),
    (Completed(message_id=MessageId(ID)), {"message_id"}),
    (Cancelled(), {"by"}),
    (
        Failed(code="c", title="t", status=503, detail="d", retryable=True),
        {"type", "code", "title", "status", "detail", "retryable"},
    ),
    (
        AccessRevoked(withdrawal=Withdrawal(reason="r", grants=[GrantId(ID)])),
        {"reason", "grants"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fact", "names"), TOLD, ids=lambda each: getattr(each, "type", ""))
def test_an_event_says_what_its_type_promises(fact: object, names: set[str]) -> None:
    event = as_event(3, fact)  # type: ignore[arg-type]
    assert (event.number, set(json.loads(event.told))) == (3, names)


def test_every_type_is_told_and_exactly_four_are_ends() -> None:
    assert {fact.type for fact, _ in TOLD} == set(EventType)
    assert {each for each in EventType if each.is_terminal} == set(STATE_AFTER)
    assert set(STATE_AFTER.values()) == {state for state in RunState if state.is_over}


def test_a_citation_tells_of_its_place_what_there_is() -> None:
    [(cited, names)] = [(fact, names) for fact, names in TOLD if isinstance(fact, Cited)]
    placed = replace(cited.citation, place=Place(sheet="Prices", row=7))
    told = json.loads(as_event(1, Cited(citation=placed)).told)
    assert set(told) == names | {"sheet", "row"}
    assert (told["sheet"], told["row"]) == ("Prices", 7)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_from_its_event_and_stays_on_one_line(text: str) -> None:
    event = as_event(1, TextDelta(text=text))
    assert text_of(event) == text
    assert "\n" not in event.told
    assert "\r" not in event.told


def test_a_run_is_replayed_unless_it_was_taken_back_or_demands_more() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    for state in RunState:
        run = Run(
            id=RunId(ID),
            conversation_id=ConversationId(ID),
            owner_id=PersonId(ID),
            question_id=MessageId(ID),
            answer_id=MessageId(ID),
            purpose=Purpose("research"),
            model="m",
            prompt_version="p",
            state=state,
            cancel_requested=False,
            created_at=now,
        )
        if state is RunState.ACCESS_REVOKED:
            with pytest.raises(AnswerWithdrawn):
                run.assert_replayable(Acr.MFA)
            continue
        run.assert_replayable(Acr.PASSWORD)
        demanding = replace(run, required_acr=Acr.MFA)
        demanding.assert_replayable(Acr.MFA)
        with pytest.raises(StepUpRequired):
            demanding.assert_replayable(Acr.PASSWORD)
