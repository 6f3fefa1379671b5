"""Consent records and their events. Field names follow ISO/IEC TS 27560; states are DPV's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import Conflict, NotFound
from domain.identity import Action, ConsentId, DocumentId, PersonId, Purpose


class ConsentState(StrEnum):
    """`withdrawn` is the person's own act, `revoked` the controller's."""

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
    """The consent is not in force, so it cannot be withdrawn."""

    code = "consent_not_in_force"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The text that was shown when consent was asked for, exactly."""

    language: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecord:
    """What was agreed. It never changes: a change is a new consent."""

    record_id: ConsentId
    pii_principal_id: PersonId
    recipient_id: PersonId
    pii_information: DocumentId
    actions: frozenset[Action]
    purpose: Purpose
    valid_from: datetime
    valid_until: datetime
    notice: Notice
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEvent:
    """One step in the life of a consent; `seq` counts from 1 without gaps."""

    seq: int
    event_type: str
    event_state: ConsentState
    entity_id: PersonId
    event_time: datetime


def state_of(events: Sequence[ConsentEvent]) -> ConsentState:
    """The state is that of the latest event; there is always a first one."""
    return max(events, key=lambda event: event.seq).event_state


def withdrawal_of(events: Sequence[ConsentEvent], *, by: PersonId, at: datetime) -> ConsentEvent:
    """The event that ends this consent; refused where it is not in force."""
    if state_of(events) not in VALID_STATES:
        raise ConsentNotInForce
    return ConsentEvent(
        seq=max(event.seq for event in events) + 1,
        event_type="consent_withdrawn",
        event_state=ConsentState.WITHDRAWN,
        entity_id=by,
        event_time=at,
    )


def written_notice(
    *,
    grantor: str,
    grantee: str,
    actions: frozenset[Action],
    purpose_title: str,
    valid_from: datetime,
    valid_until: datetime,
    max_uses: int | None,
) -> Notice:
    """The notice in words. It names no title: whoever keeps receipts keeps no content."""
    uses = "without a limit on uses" if max_uses is None else f"at most {max_uses} times"
    body = (
        f"{grantor} lets {grantee} {_listed(actions)} one document "
        f"for this purpose: {purpose_title}. "
        f"This holds from {valid_from:%Y-%m-%d %H:%M} UTC until {valid_until:%Y-%m-%d %H:%M} UTC, "
        f"{uses}. {grantor} can withdraw it at any time; from then on nothing more is shown. "
        "Every access is recorded, and both sides can see the record."
    )
    return Notice(language="en", body=body)


def _listed(actions: frozenset[Action]) -> str:
    words = sorted(actions)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
