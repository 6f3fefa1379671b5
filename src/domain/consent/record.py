"""Consent records and their events. Field names follow ISO/IEC TS 27560; states are DPV's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.consent.notice import Notice
from domain.consent.terms import Terms
from domain.errors import Conflict, NotFound
from domain.identity import ConsentId, PersonId

LAWFUL_BASIS = "consent"


class ConsentState(StrEnum):
    """`withdrawn` is the person's own act, `revoked` the act of who was given it."""

    REQUESTED = "requested"
    GIVEN = "given"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    REVOKED = "revoked"
    RENEWED = "renewed"


VALID_STATES = frozenset({ConsentState.GIVEN, ConsentState.RENEWED})


class ConsentNotFound(NotFound):
    """There is nothing here for you: it does not exist, or you may not see it."""


class ConsentNotInForce(Conflict):
    """The consent is not in force: it was never given, or it has ended."""

    code = "consent_not_in_force"


class RequestAlreadyAnswered(Conflict):
    """This is no open request: it was answered before, or it has run out."""

    code = "request_already_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecord:
    """What was asked for or agreed. It never changes: a change is a new consent.

    `parent_id` is the consent that allowed sharing this onward. `pii_controller` names whoever
    runs this Strongroom; `jurisdiction` is an ISO 3166 code, where it was set.
    """

    record_id: ConsentId
    parent_id: ConsentId | None = None
    pii_principal_id: PersonId
    recipient_id: PersonId
    terms: Terms
    notice: Notice
    pii_controller: str
    jurisdiction: str | None = None
    collection_method: str = "api"
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEvent:
    """One step in the life of a consent; `seq` counts from 1 without gaps.

    `entity_id` is who did it. From this event on the consent holds until `valid_until`, and not
    at all where that is None.
    """

    seq: int
    event_state: ConsentState
    entity_id: PersonId
    event_time: datetime
    valid_until: datetime | None = None

    @property
    def event_type(self) -> str:
        return f"consent_{self.event_state.value}"


def withdrawal_method(record_id: ConsentId) -> str:
    """How whoever gave it takes it back."""
    return f"POST /v1/consents/{record_id}/withdraw"


def state_of(events: Sequence[ConsentEvent]) -> ConsentState:
    """The state is that of the latest event; there is always a first one."""
    return latest(events).event_state


def agreed_until(events: Sequence[ConsentEvent]) -> datetime | None:
    """Until when it was last said to hold: a renewal says so anew, an ending does not. None where
    no event says."""
    said = [event for event in events if event.valid_until is not None]
    return latest(said).valid_until if said else None


def state_at(events: Sequence[ConsentEvent], at: datetime) -> ConsentState | None:
    """The ledger folded to an instant: None before the first event."""
    until_then = [event for event in events if event.event_time <= at]
    if not until_then:
        return None
    last = latest(until_then)
    over = last.valid_until is not None and at >= last.valid_until
    return ConsentState.EXPIRED if over else last.event_state


def next_event(
    events: Sequence[ConsentEvent],
    state: ConsentState,
    *,
    by: PersonId,
    at: datetime,
    valid_until: datetime | None = None,
) -> ConsentEvent:
    """The event that follows, where the present state admits it.

    A request is answered once, by `given` or `refused`; what is in force may end in every way, or
    be renewed. Raises RequestAlreadyAnswered or ConsentNotInForce.
    """
    if events:
        now = state_at(events, at)
        answers = (ConsentState.GIVEN, ConsentState.REFUSED)
        if state in answers and now is not ConsentState.REQUESTED:
            raise RequestAlreadyAnswered
        renewable = (*VALID_STATES, ConsentState.EXPIRED)
        if state is ConsentState.RENEWED and now not in renewable:
            raise ConsentNotInForce
        ends = state not in (*answers, ConsentState.RENEWED, ConsentState.EXPIRED)
        if ends and now not in VALID_STATES:
            raise ConsentNotInForce
    return ConsentEvent(
        seq=max((event.seq for event in events), default=0) + 1,
        event_state=state,
        entity_id=by,
        event_time=at,
        valid_until=valid_until,
    )


def latest(events: Sequence[ConsentEvent]) -> ConsentEvent:
    """There is always a first one."""
    return max(events, key=lambda event: event.seq)
