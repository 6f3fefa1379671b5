"""Deciding is a pure function: with every input in the log, any decision can be made again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.consent.grant import Grant
from domain.consent.record import VALID_STATES, ConsentState
from domain.identity import Acr, Action, CollectionId, GrantId, PersonId, Purpose, VersionRef
from domain.json_pointer import Pointers, covers

POLICY_VERSION = "2"


class Denial(StrEnum):
    """Why not. For the owner's log; whoever asked learns nothing but 'not found'."""

    NO_GRANT = "no_grant"
    REVOKED = "revoked"
    CONSENT_NOT_VALID = "consent_not_valid"
    ACTION_NOT_GRANTED = "action_not_granted"
    OTHER_PURPOSE = "other_purpose"
    OUTSIDE_WINDOW = "outside_window"
    VERSION_NOT_GRANTED = "version_not_granted"
    ASSURANCE_TOO_LOW = "assurance_too_low"
    FIELDS_NOT_GRANTED = "fields_not_granted"
    USED_UP = "used_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """Who wants to do what with which version of whose document, and why.

    `fields` are those that are wanted of a record; None: all that may be had. `collections` are
    those that hold the document.
    """

    person_id: PersonId
    action: Action
    purpose: Purpose
    version: VersionRef
    owner_id: PersonId
    acr: Acr = Acr.PASSWORD
    fields: Pointers | None = None
    collections: frozenset[CollectionId] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentedGrant:
    """A grant beside the state of the consent that it follows from."""

    grant: Grant
    consent_state: ConsentState


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Permitted by ownership (no grant), permitted by a grant, or denied for a reason.

    `fields` are the ones that may be shown; None: everything.
    """

    grant: Grant | None = None
    fields: Pointers | None = None
    denial: Denial | None = None

    @property
    def permitted(self) -> bool:
        return self.denial is None


def decide(
    request: AccessRequest,
    grants: Iterable[ConsentedGrant],
    at: datetime,
    *,
    uses_refused: frozenset[GrantId] = frozenset(),
) -> Decision:
    """Default deny; an owner needs no grant.

    Of several grants that permit, one that covers all the wanted fields is preferred, then one
    under which nothing is counted, then the one that ends last, so that nothing is spent without
    need. A denial tells the reason of the oldest grant. `uses_refused` are the grants that had no
    use left when one was to be taken.
    """
    if request.person_id == request.owner_id:
        return Decision(fields=request.fields)
    candidates = sorted(
        (
            held
            for held in grants
            if held.grant.grantee_id == request.person_id
            and held.grant.owner_id == request.owner_id
            and held.grant.is_about(request.version, request.collections)
        ),
        key=lambda held: held.grant.id,
    )
    if not candidates:
        return Decision(denial=Denial.NO_GRANT)
    reasons = [_objection(request, held, at, uses_refused) for held in candidates]
    permitting = [
        held.grant for held, reason in zip(candidates, reasons, strict=True) if reason is None
    ]
    if not permitting:
        return Decision(denial=reasons[0])
    best = max(
        permitting,
        key=lambda grant: (
            fields_shown(request.fields, grant.fields) == request.fields,
            not grant.is_counted,
            grant.expires_at,
            grant.id,
        ),
    )
    return Decision(grant=best, fields=fields_shown(request.fields, best.fields))


def fields_shown(wanted: Pointers | None, granted: Pointers | None) -> Pointers | None:
    """What is both wanted and granted, None standing for everything.

    A wanted field that holds granted ones is narrowed down to these.
    """
    if wanted is None or granted is None:
        return granted if wanted is None else wanted
    within = {field for field in wanted if covers(granted, field)}
    return frozenset(within | {field for field in granted if covers(wanted, field)})


def _objection(
    request: AccessRequest, held: ConsentedGrant, at: datetime, uses_refused: frozenset[GrantId]
) -> Denial | None:
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
    if grant.versions is not None and request.version.version not in grant.versions:
        return Denial.VERSION_NOT_GRANTED
    if grant.required_acr is Acr.MFA and request.acr is not Acr.MFA:
        return Denial.ASSURANCE_TOO_LOW
    if fields_shown(request.fields, grant.fields) == frozenset():
        return Denial.FIELDS_NOT_GRANTED
    if grant.id in uses_refused or _is_used_up(grant, at):
        return Denial.USED_UP
    return None


def _is_used_up(grant: Grant, at: datetime) -> bool:
    interval = grant.uses_per_interval
    return (grant.uses_left is not None and grant.uses_left < 1) or (
        interval is not None and interval.left_at(at) < 1
    )
