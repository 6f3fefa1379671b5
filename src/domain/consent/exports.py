"""A consent in the forms that others read: Kantara's consent receipt, and DPV in JSON-LD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.consent.purpose import RegisteredPurpose
from domain.consent.record import ConsentEvent, ConsentRecord, ConsentState, state_of
from domain.identity import Action

Json = dict[str, object]


class ExportForm(StrEnum):
    """Kantara Consent Receipt 1.1, or a record in W3C's Data Privacy Vocabulary."""

    KANTARA = "kantara"
    DPV = "dpv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """Who runs this Strongroom, as receipts name them. `jurisdiction` is an ISO 3166 code."""

    name: str
    email: str | None
    policy_url: str | None
    jurisdiction: str | None


# https://w3id.org/dpv: the statuses of consent, and the processing that our actions are.
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
    "dct": "http://purl.org/dc/terms/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


def as_kantara(
    record: ConsentRecord,
    events: Sequence[ConsentEvent],
    purpose: RegisteredPurpose,
    controller: Controller,
) -> Json:
    """Kantara Consent Receipt Specification 1.1, section 4; what we do not know is left empty."""
    terms = record.terms
    agreed = min(events, key=lambda event: event.seq)
    return {
        "version": "KI-CR-v1.1.0",
        "jurisdiction": record.jurisdiction or "",
        "consentTimestamp": int(agreed.event_time.timestamp()),
        "collectionMethod": record.collection_method,
        "consentReceiptID": str(record.record_id),
        "language": record.notice.language,
        "piiPrincipalId": str(record.pii_principal_id),
        "piiControllers": [
            {
                "piiController": record.pii_controller,
                "onBehalf": False,
                "contact": controller.name,
                "address": {},
                "email": controller.email or "",
                "phone": "",
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
                        "termination": terms.expires_at.isoformat(),
                        "thirdPartyDisclosure": True,
                        "thirdPartyName": str(record.recipient_id),
                    }
                ],
            }
        ],
        "sensitive": False,
        "spiCat": [],
    }


def as_dpv(
    record: ConsentRecord, events: Sequence[ConsentEvent], purpose: RegisteredPurpose
) -> Json:
    """A dpv:ConsentRecord with every change of its status, after ISO/IEC TS 27560."""
    terms = record.terms
    begins = terms.not_before or record.created_at
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
            "@type": "dpv:FixedOccurencesDuration"
            if terms.max_uses is not None
            else "dpv:TemporalDuration",
            "dct:valid": f"{begins.isoformat()}/{terms.expires_at.isoformat()}",
        },
        "dpv:hasJurisdiction": record.jurisdiction,
        "dpv:hasConsentStatus": {"@id": _STATUS[state_of(events)]},
        "dpv:hasActivity": [
            {
                "@type": _STATUS[event.event_state],
                "dct:date": _instant(event.event_time.isoformat()),
                "dpv:isIndicatedBy": _urn(event.entity_id),
            }
            for event in events
        ],
    }


def _about(record: ConsentRecord) -> str:
    terms = record.terms
    fields = "" if terms.fields is None else f": {', '.join(sorted(terms.fields))}"
    return f"{terms.resource.kind.value}{fields}"


def _urn(of: object) -> Json:
    return {"@id": f"urn:uuid:{of}"}


def _instant(at: str) -> Json:
    return {"@type": "xsd:dateTime", "@value": at}
