"""Deciding is a pure function: with every input in the log, any decision can be made again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.consent.grant import Grant
from domain.consent.record import VALID_STATES, ConsentState
from domain.identity import Action, PersonId, Purpose, VersionRef

POLICY_VERSION = "1"


class Denial(StrEnum):
    """Why not. For the owner's log; whoever asked learns nothing but 'not found'."""

    NO_GRANT = "no_grant"
    ACTION_NOT_GRANTED = "action_not_granted"
    OTHER_PURPOSE = "other_purpose"
    OUTSIDE_WINDOW = "outside_window"
    REVOKED = "revoked"
    USED_UP = "used_up"
    CONSENT_NOT_VALID = "consent_not_valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """Who wants to do what with which version of whose document, and why."""

    person_id: PersonId
    action: Action
    purpose: Purpose
    version: VersionRef
    owner_id: PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentedGrant:
    """A grant beside the state of the consent that it follows from."""

    grant: Grant
    consent_state: ConsentState


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Permitted by ownership (no grant), permitted by a grant, or denied for a reason."""

    grant: Grant | None = None
    denial: Denial | None = None

    @property
    def permitted(self) -> bool:
        return self.denial is None


def decide(request: AccessRequest, grants: Iterable[ConsentedGrant], at: datetime) -> Decision:
    """Default deny. An owner needs no grant; of several grants that permit, one without a limit
    on uses is preferred, then the one that ends last, so that nothing is spent without need."""
    if request.person_id == request.owner_id:
        return Decision()
    candidates = [
        held
        for held in grants
        if held.grant.grantee_id == request.person_id
        and held.grant.grantor_id == request.owner_id
        and held.grant.document_id == request.version.document_id
    ]
    if not candidates:
        return Decision(denial=Denial.NO_GRANT)
    reasons = [(held.grant, _objection(request, held, at)) for held in candidates]
    permitting = [grant for grant, reason in reasons if reason is None]
    if permitting:
        best = max(permitting, key=lambda g: (g.uses_left is None, g.expires_at, g.id))
        return Decision(grant=best)
    return Decision(denial=reasons[0][1])


def _objection(request: AccessRequest, held: ConsentedGrant, at: datetime) -> Denial | None:
    grant = held.grant
    if grant.revoked_at is not None:
        return Denial.REVOKED
    if held.consent_state not in VALID_STATES:
        return Denial.CONSENT_NOT_VALID
    if request.action not in grant.actions:
        return Denial.ACTION_NOT_GRANTED
    if request.purpose != grant.purpose:
        return Denial.OTHER_PURPOSE
    if not grant.is_open_at(at):
        return Denial.OUTSIDE_WINDOW
    if grant.uses_left is not None and grant.uses_left < 1:
        return Denial.USED_UP
    return None
