"""A consent in the forms that others read: Kantara's consent receipt, and DPV in JSON-LD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.consent.purpose import RegisteredPurpose
from domain.consent.record import (
    VALID_STATES,
    ConsentEvent,
    ConsentNotInForce,
    ConsentRecord,
    ConsentState,
    agreed_until,
    state_at,
    withdrawal_method,
)
from domain.identity import Action
from domain.json_pointer import WHOLE, Pointers

Json = dict[str, object]


class ExportForm(StrEnum):
    """Kantara Consent Receipt 1.1, or a record in W3C's Data Privacy Vocabulary."""

    KANTARA = "kantara"
    DPV = "dpv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """Who runs this Strongroom, as receipts name them. `jurisdiction` and `country`, that of the
    postal address, are ISO 3166 codes. What nobody set is None."""

    name: str
    email: str | None = None
    phone: str | None = None
    address: str | None = None
    country: str | None = None
    policy_url: str | None = None
    jurisdiction: str | None = None


# https://w3id.org/dpv/2.0: the statuses of consent, and the processing that our actions are.
_STATUS: Mapping[ConsentState, str] = {
    ConsentState.REQUESTED: "dpv:ConsentRequested",
    ConsentState.GIVEN: "dpv:ConsentGiven",
    ConsentState.REFUSED: "dpv:ConsentRefused",
    ConsentState.WITHDRAWN: "dpv:ConsentWithdrawn",
    ConsentState.EXPIRED: "dpv:ConsentExpired",
    ConsentState.INVALIDATED: "dpv:ConsentInvalidated",
    ConsentState.REVOKED: "dpv:ConsentRevoked",
    ConsentState.RENEWED: "dpv:RenewedConsentGiven",
}
_PROCESSING: Mapping[Action, str] = {
    Action.READ: "dpv:Consult",
    Action.SEARCH: "dpv:Query",
    Action.QUOTE: "dpv:Use",
    Action.DERIVE: "dpv:Derive",
    Action.EXPORT: "dpv:Export",
    Action.SHARE: "dpv:Share",
}
_CONTEXT: Json = {
    "dpv": "https://w3id.org/dpv#",
    "sector-health": "https://w3id.org/dpv/sector/health#",
    "dct": "http://purl.org/dc/terms/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


def as_kantara(
    record: ConsentRecord,
    events: Sequence[ConsentEvent],
    purpose: RegisteredPurpose,
    controller: Controller,
    *,
    sensitive: Pointers,
) -> Json:
    """Kantara Consent Receipt Specification 1.1, section 4. What nobody set is left empty.

    The form has no member for a state: what was never given has no receipt of it, and raises
    ConsentNotInForce; what has ended terminates when it did. `sensitive` are the fields
    that a record's schemas mark so; of documents and collections nothing says it, and then this
    does not.
    """
    given = _given(events)
    if given is None:
        raise ConsentNotInForce
    return {
        "version": "KI-CR-v1.1.0",
        "jurisdiction": record.jurisdiction or "",
        "consentTimestamp": int(given.event_time.timestamp()),
        "collectionMethod": record.collection_method,
        "consentReceiptID": str(record.record_id),
        "language": record.notice.language,
        "piiPrincipalId": str(record.pii_principal_id),
        "piiControllers": [
            {
                "piiController": record.pii_controller,
                "onBehalf": False,
                "contact": controller.name,
                "address": _address(controller),
                "email": controller.email or "",
                "phone": controller.phone or "",
            }
        ],
        "policyUrl": controller.policy_url or "",
        "services": [
            {
                "service": record.pii_controller,
                "purposes": [
                    {
                        "purpose": purpose.title,
                        "consentType": "EXPLICIT",
                        "purposeCategory": [purpose.dpv_term],
                        "piiCategory": [_about(record)],
                        "primaryPurpose": True,
                        "termination": _until(record, events).isoformat(),
                        "thirdPartyDisclosure": True,
                        "thirdPartyName": str(record.recipient_id),
                    }
                ],
            }
        ],
        "sensitive": bool(sensitive),
        "spiCat": [_fields_of(record, sensitive)] if sensitive else [],
    }


def as_dpv(
    record: ConsentRecord,
    events: Sequence[ConsentEvent],
    purpose: RegisteredPurpose,
    *,
    at: datetime,
) -> Json:
    """A dpv:ConsentRecord with its state at an instant and every change of it, in the terms of
    DPV 2, after ISO/IEC TS 27560. Its duration has an open start where it begins with an agreement
    that there is not (ISO 8601-2)."""
    terms, given = record.terms, _given(events)
    agreed = None if given is None else given.event_time
    begins = terms.not_before or agreed
    state = state_at(events, at)
    assert state is not None, "a consent has a first event, and that has been"
    kept = terms.retention
    return {
        "@context": _CONTEXT,
        "@id": f"urn:uuid:{record.record_id}",
        "@type": "dpv:ConsentRecord",
        "dct:identifier": str(record.record_id),
        "dct:created": _instant(record.created_at.isoformat()),
        "dct:language": record.notice.language,
        "dpv:hasDataSubject": _urn(record.pii_principal_id),
        "dpv:hasDataController": record.pii_controller,
        "dpv:hasRecipientThirdParty": _urn(record.recipient_id),
        "dpv:hasLegalBasis": {"@id": "dpv:Consent"},
        "dpv:hasPurpose": {"@id": purpose.dpv_term, "dct:title": purpose.title},
        "dpv:hasProcessing": [{"@id": _PROCESSING[action]} for action in sorted(terms.actions)],
        "dpv:hasPersonalData": {"@id": f"urn:uuid:{terms.resource.id}", "dct:type": _about(record)},
        "dpv:hasNotice": {
            "@type": "dpv:ConsentNotice",
            "dct:description": record.notice.body,
            "dct:identifier": f"sha256:{record.notice.hash.hex()}",
        },
        "dpv:hasDuration": {
            "@type": "dpv:FixedOccurrencesDuration"
            if terms.max_uses is not None
            else "dpv:TemporalDuration",
            "dct:valid": f"{begins.isoformat() if begins else '..'}/"
            f"{_until(record, events).isoformat()}",
        },
        **(
            {}
            if kept is None
            else {
                "dpv:hasStorageCondition": {
                    "@type": "dpv:StorageDuration",
                    "dct:extent": {
                        "@type": "xsd:duration",
                        "@value": f"PT{int(kept.total_seconds())}S",
                    },
                }
            }
        ),
        "dpv:hasConsentControl": {
            "@type": "dpv:WithdrawConsent",
            "dpv:isExercisedAt": withdrawal_method(record.record_id),
        },
        "dpv:hasJurisdiction": record.jurisdiction,
        "dpv:hasConsentStatus": {"@id": _STATUS[state]},
        "dpv:hasStatus": [
            {
                "@type": _STATUS[event.event_state],
                "dct:date": _instant(event.event_time.isoformat()),
                "dpv:isIndicatedBy": _urn(event.entity_id),
            }
            for event in events
        ],
    }


def _given(events: Sequence[ConsentEvent]) -> ConsentEvent | None:
    gave = [event for event in events if event.event_state is ConsentState.GIVEN]
    return gave[0] if gave else None


def _until(record: ConsentRecord, events: Sequence[ConsentEvent]) -> datetime:
    """When it ended, if it was given and did; else until when it was last said to hold."""
    agreed = agreed_until(events) or record.terms.expires_at
    latest = max(events, key=lambda event: event.seq)
    ended = _given(events) is not None and latest.event_state not in VALID_STATES
    return min(latest.event_time, agreed) if ended else agreed


def _address(controller: Controller) -> Json:
    """In the members of schema.org's PostalAddress, as the specification shows it."""
    parts = {"streetAddress": controller.address, "addressCountry": controller.country}
    return {name: value for name, value in parts.items() if value is not None}


def _about(record: ConsentRecord) -> str:
    return _fields_of(record, record.terms.fields or frozenset({WHOLE}))


def _fields_of(record: ConsentRecord, fields: Pointers) -> str:
    kind = record.terms.resource.kind.value
    return kind if WHOLE in fields else f"{kind}: {', '.join(sorted(fields))}"


def _urn(of: object) -> Json:
    return {"@id": f"urn:uuid:{of}"}


def _instant(at: str) -> Json:
    return {"@type": "xsd:dateTime", "@value": at}
