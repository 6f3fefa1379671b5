"""Evidence: all that a decision was made from, and what it was, as plain JSON.

It goes into the log with the event, so that anyone who is shown it can decide again. The words
are those of the API; times are RFC 3339 in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from domain.consent.decision import POLICY_VERSION, AccessRequest, ConsentedGrant, Decision
from domain.consent.grant import Grant
from domain.identity import GrantId
from domain.json_pointer import Pointers

Json = dict[str, object]


def evidence_of(
    request: AccessRequest,
    grants: Iterable[ConsentedGrant],
    at: datetime,
    decision: Decision,
    *,
    uses_refused: frozenset[GrantId] = frozenset(),
    text_commitment: bytes | None = None,
) -> Json:
    """An owner's own access rests on no grant, so none is told of.

    `text_commitment` stands for the whole text of the version. It decides nothing: it says of
    which text the version was when it was decided.
    """
    own = request.person_id == request.owner_id
    held = [] if own else sorted(grants, key=lambda each: each.grant.id)
    return {
        "policy_version": POLICY_VERSION,
        "at": _instant(at),
        "request": {
            "person_id": str(request.person_id),
            "action": request.action.value,
            "purpose": request.purpose,
            "acr": request.acr.value,
            "fields": _listed(request.fields),
            "document_id": str(request.version.document_id),
            "version": request.version.version,
        },
        "text_commitment": text_commitment and text_commitment.hex(),
        "owner_id": str(request.owner_id),
        "collections": sorted(str(each) for each in request.collections),
        "grants": [_grant(each, at) for each in held],
        "uses_refused": sorted(str(each) for each in uses_refused),
        "outcome": _outcome(decision),
    }


def _grant(held: ConsentedGrant, at: datetime) -> Json:
    grant = held.grant
    return {
        "id": str(grant.id),
        "parent_id": grant.parent_id and str(grant.parent_id),
        "consent_id": str(grant.consent_id),
        "owner_id": str(grant.owner_id),
        "grantor_id": str(grant.grantor_id),
        "grantee_id": str(grant.grantee_id),
        "resource": {"kind": grant.resource.kind.value, "id": str(grant.resource.id)},
        "fields": _listed(grant.fields),
        "versions": None if grant.versions is None else sorted(grant.versions),
        "actions": sorted(action.value for action in grant.actions),
        "purpose": grant.purpose,
        "not_before": _instant(grant.not_before),
        "expires_at": _instant(grant.expires_at),
        "max_uses": grant.max_uses,
        "uses_left": grant.uses_left,
        "uses_per_interval": _interval(grant, at),
        "is_counted": grant.is_counted,
        "required_acr": grant.required_acr and grant.required_acr.value,
        "epoch": grant.epoch,
        "revoked_at": grant.revoked_at and _instant(grant.revoked_at),
        "consent_state": held.consent_state.value,
    }


def _interval(grant: Grant, at: datetime) -> Json | None:
    interval = grant.uses_per_interval
    if interval is None:
        return None
    return {"uses": interval.uses, "seconds": interval.seconds, "left": interval.left_at(at)}


def _outcome(decision: Decision) -> Json:
    if decision.denial is not None:
        return {"permitted": False, "denial": decision.denial.value}
    return {
        "permitted": True,
        "grant_id": decision.grant and str(decision.grant.id),
        "fields": _listed(decision.fields),
    }


def _listed(fields: Pointers | None) -> list[str] | None:
    return None if fields is None else sorted(fields)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
