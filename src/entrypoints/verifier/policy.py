"""The policy, version 2, in the verifier's own words: from evidence to an outcome.

Not the code that decided: a second reading of the same rules, so that a mistake in the one does
not excuse itself in the other. A test compares the two on many thousands of cases.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

VERSIONS = frozenset({"1", "2"})
"""Those that this can replay; 2 only added reasons that do not arise under 1."""
_VALID = frozenset({"given", "renewed"})

Json = dict[str, Any]


def outcome(evidence: Json) -> Json:
    """What must have been decided. Raises what reading wrong JSON raises."""
    request = evidence["request"]
    if request["person_id"] == evidence["owner_id"]:
        return {"permitted": True, "grant_id": None, "fields": request["fields"]}
    held = sorted(
        (each for each in evidence["grants"] if _is_meant(each, evidence)),
        key=lambda each: str(each["id"]),
    )
    if not held:
        return {"permitted": False, "denial": "no_grant"}
    at, refused = _instant(evidence["at"]), evidence["uses_refused"]
    objections = [_objection(request, each, at, refused) for each in held]
    if None not in objections:
        return {"permitted": False, "denial": objections[0]}
    fitting = [each for each, objection in zip(held, objections, strict=True) if objection is None]
    best = max(fitting, key=lambda each: _preference(request, each))
    return {
        "permitted": True,
        "grant_id": best["id"],
        "fields": _shown(request["fields"], best["fields"]),
    }


def _is_meant(grant: Json, evidence: Json) -> bool:
    request, resource = evidence["request"], grant["resource"]
    people = (grant["grantee_id"], grant["owner_id"])
    if people != (request["person_id"], evidence["owner_id"]):
        return False
    if resource["kind"] == "collection":
        return resource["id"] in evidence["collections"]
    return bool(resource["id"] == request["document_id"])


def _objection(request: Json, grant: Json, at: datetime, refused: list[str]) -> str | None:
    interval, left = grant["uses_per_interval"], grant["uses_left"]
    objections = {
        "revoked": grant["revoked_at"] is not None,
        "consent_not_valid": grant["consent_state"] not in _VALID,
        "action_not_granted": request["action"] not in grant["actions"],
        "other_purpose": request["purpose"] != grant["purpose"],
        "outside_window": not _instant(grant["not_before"]) <= at < _instant(grant["expires_at"]),
        "version_not_granted": grant["versions"] is not None
        and request["version"] not in grant["versions"],
        "assurance_too_low": grant["required_acr"] == "mfa" and request["acr"] != "mfa",
        "fields_not_granted": _shown(request["fields"], grant["fields"]) == [],
        "used_up": grant["id"] in refused
        or (left is not None and left < 1)
        or (interval is not None and interval["left"] < 1),
    }
    return next((reason for reason, applies in objections.items() if applies), None)


def _preference(request: Json, grant: Json) -> tuple[bool, bool, datetime, str]:
    """Covers all that is wanted, then costs nothing, then ends last; the id breaks ties."""
    whole = _shown(request["fields"], grant["fields"]) == request["fields"]
    return whole, not grant["is_counted"], _instant(grant["expires_at"]), str(grant["id"])


def _shown(wanted: list[str] | None, granted: list[str] | None) -> list[str] | None:
    """Fields that are both wanted and granted; null stands for everything."""
    if wanted is None or granted is None:
        return granted if wanted is None else wanted
    both = {each for each in wanted if is_within(each, granted)}
    return sorted(both | {each for each in granted if is_within(each, wanted)})


def is_within(field: str, those: list[str]) -> bool:
    return any(field == each or field.startswith(f"{each}/") for each in those)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
