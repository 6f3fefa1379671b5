"""The consent record and its receipt as JSON, under the field names of ISO/IEC TS 27560."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from domain.consent.grant import Grant
from domain.consent.record import (
    LAWFUL_BASIS,
    ConsentEvent,
    ConsentRecord,
    agreed_until,
    state_of,
    withdrawal_method,
)
from domain.identity import PersonId

Json = dict[str, object]


def record_claims(record: ConsentRecord) -> Json:
    """What never changes about a consent; its `validity_duration` is that of the terms."""
    terms = record.terms
    interval = terms.uses_per_interval
    return {
        "record_id": str(record.record_id),
        "parent_record_id": record.parent_id and str(record.parent_id),
        "pii_principal_id": str(record.pii_principal_id),
        "pii_controllers": [record.pii_controller],
        "recipient_third_parties": [str(record.recipient_id)],
        "pii_information": [
            {
                "kind": terms.resource.kind.value,
                "id": str(terms.resource.id),
                "fields": None if terms.fields is None else sorted(terms.fields),
                "versions": None if terms.versions is None else sorted(terms.versions),
            }
        ],
        "purposes": [terms.purpose],
        "actions": sorted(action.value for action in terms.actions),
        "lawful_basis": LAWFUL_BASIS,
        "collection_method": record.collection_method,
        "withdrawal_method": withdrawal_method(record.record_id),
        "jurisdiction": record.jurisdiction,
        "retention_period": None
        if terms.retention is None
        else int(terms.retention.total_seconds()),
        "validity_duration": [
            terms.not_before and terms.not_before.isoformat(),
            terms.expires_at.isoformat(),
        ],
        "max_uses": terms.max_uses,
        "uses_per_interval": interval and {"uses": interval.uses, "seconds": interval.seconds},
        "required_acr": terms.required_acr and terms.required_acr.value,
        "language": record.notice.language,
        "created_at": record.created_at.isoformat(),
    }


def event_claims(event: ConsentEvent) -> Json:
    return {
        "seq": event.seq,
        "event_type": event.event_type,
        "event_state": event.event_state.value,
        "event_time": event.event_time.isoformat(),
        "entity_id": str(event.entity_id),
        "valid_until": _optional(event.valid_until),
    }


def receipt_claims(
    record: ConsentRecord,
    events: Sequence[ConsentEvent],
    *,
    receipt_id: str,
    issued_to: PersonId,
    grant: Grant | None,
) -> Json:
    """What one side is handed: the record, the notice as shown, its hash, and the latest event.

    `validity_duration` is what was said last: a renewal goes beyond the terms.
    """
    latest = max(events, key=lambda event: event.seq)
    notice = record.notice
    return {
        "receipt_id": receipt_id,
        "issued_to": str(issued_to),
        **record_claims(record),
        "validity_duration": [
            _optional(record.terms.not_before),
            _optional(agreed_until(events) or record.terms.expires_at),
        ],
        "grant_id": grant and str(grant.id),
        "notice": {
            "language": notice.language,
            "text": notice.body,
            "sha256": notice.hash.hex(),
        },
        "event_type": latest.event_type,
        "event_state": state_of(events).value,
        "event_time": latest.event_time.isoformat(),
        "entity_id": str(latest.entity_id),
        "events": [event_claims(event) for event in events],
    }


def _optional(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
