"""What is exported of a consent in each of its states, member by member."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.consent.exports import Controller, as_dpv, as_kantara
from domain.consent.notice import Notice
from domain.consent.purpose import RegisteredPurpose
from domain.consent.record import (
    ConsentEvent,
    ConsentNotInForce,
    ConsentRecord,
    ConsentState,
)
from domain.consent.terms import Terms
from domain.identity import Action, ConsentId, PersonId, Purpose, ResourceKind, ResourceRef
from domain.json_pointer import WHOLE, Pointers

ASKED = datetime(2026, 11, 1, 12, tzinfo=UTC)
GIVEN = ASKED + timedelta(days=1)
LATER = ASKED + timedelta(days=3)
END = ASKED + timedelta(days=30)
NEW_END = ASKED + timedelta(days=90)
OWNER, BEN = PersonId(UUID(int=1)), PersonId(UUID(int=2))
RECORD = ConsentRecord(
    record_id=ConsentId(UUID(int=3)),
    pii_principal_id=OWNER,
    recipient_id=BEN,
    terms=Terms(
        resource=ResourceRef(kind=ResourceKind.RECORD, id=UUID(int=4)),
        fields=frozenset({"/home", "/diet"}),
        actions=frozenset({Action.READ, Action.QUOTE}),
        purpose=Purpose("care"),
        expires_at=END,
    ),
    notice=Notice(language="en", body="Ben may read it."),
    pii_controller="The Surgery",
    jurisdiction="NL",
    created_at=ASKED,
)
PURPOSE = RegisteredPurpose(
    code=Purpose("care"), title="Care", dpv_term="sector-health:ServiceProvision"
)
CONTROLLER = Controller(
    name="The Surgery",
    email="office@surgery.example",
    phone="+31 20 555 0100",
    address="1 Canal Street, Amsterdam",
    country="NL",
    policy_url="https://surgery.example/privacy",
    jurisdiction="NL",
)
LIVES: dict[str, tuple[tuple[ConsentState, PersonId, datetime, datetime | None], ...]] = {
    "requested": ((ConsentState.REQUESTED, BEN, ASKED, END),),
    "refused": (
        (ConsentState.REQUESTED, BEN, ASKED, END),
        (ConsentState.REFUSED, OWNER, GIVEN, None),
    ),
    "unanswered": (
        (ConsentState.REQUESTED, BEN, ASKED, END),
        (ConsentState.EXPIRED, OWNER, END, None),
    ),
    "given": (
        (ConsentState.REQUESTED, BEN, ASKED, END),
        (ConsentState.GIVEN, OWNER, GIVEN, END),
    ),
}
LIVES["renewed"] = (*LIVES["given"], (ConsentState.RENEWED, OWNER, LATER, NEW_END))
ENDINGS = {
    "withdrawn": ConsentState.WITHDRAWN,
    "revoked": ConsentState.REVOKED,
    "invalidated": ConsentState.INVALIDATED,
    "expired": ConsentState.EXPIRED,
}
LIVES |= {name: (*LIVES["given"], (state, OWNER, LATER, None)) for name, state in ENDINGS.items()}
UNTIL = {"given": END, "renewed": NEW_END} | dict.fromkeys(ENDINGS, LATER)
NEVER_GIVEN = ("requested", "refused", "unanswered")
STATUS = {
    "requested": "dpv:ConsentRequested",
    "refused": "dpv:ConsentRefused",
    "unanswered": "dpv:ConsentExpired",
    "given": "dpv:ConsentGiven",
    "renewed": "dpv:RenewedConsentGiven",
    "withdrawn": "dpv:ConsentWithdrawn",
    "revoked": "dpv:ConsentRevoked",
    "invalidated": "dpv:ConsentInvalidated",
    "expired": "dpv:ConsentExpired",
}


def events(life: str) -> list[ConsentEvent]:
    return [
        ConsentEvent(seq=seq, event_state=state, entity_id=by, event_time=at, valid_until=until)
        for seq, (state, by, at, until) in enumerate(LIVES[life], start=1)
    ]


def kantara(
    life: str, *, controller: Controller = CONTROLLER, sensitive: Pointers = frozenset()
) -> Any:
    return as_kantara(RECORD, events(life), PURPOSE, controller, sensitive=sensitive)


@pytest.mark.parametrize("life", sorted(UNTIL))
def test_a_kantara_receipt_tells_of_the_giving_and_of_the_end(life: str) -> None:
    assert kantara(life) == {
        "version": "KI-CR-v1.1.0",
        "jurisdiction": "NL",
        "consentTimestamp": int(GIVEN.timestamp()),
        "collectionMethod": "api",
        "consentReceiptID": str(RECORD.record_id),
        "language": "en",
        "piiPrincipalId": str(OWNER),
        "piiControllers": [
            {
                "piiController": "The Surgery",
                "onBehalf": False,
                "contact": "The Surgery",
                "address": {
                    "streetAddress": "1 Canal Street, Amsterdam",
                    "addressCountry": "NL",
                },
                "email": "office@surgery.example",
                "phone": "+31 20 555 0100",
            }
        ],
        "policyUrl": "https://surgery.example/privacy",
        "services": [
            {
                "service": "The Surgery",
                "purposes": [
                    {
                        "purpose": "Care",
                        "consentType": "EXPLICIT",
                        "purposeCategory": ["sector-health:ServiceProvision"],
                        "piiCategory": ["record: /diet, /home"],
                        "primaryPurpose": True,
                        "termination": UNTIL[life].isoformat(),
                        "thirdPartyDisclosure": True,
                        "thirdPartyName": str(BEN),
                    }
                ],
            }
        ],
        "sensitive": False,
        "spiCat": [],
    }


@pytest.mark.parametrize("life", NEVER_GIVEN)
def test_what_was_never_given_has_no_kantara_receipt(life: str) -> None:
    with pytest.raises(ConsentNotInForce):
        kantara(life)


def test_what_the_operator_has_not_set_is_empty() -> None:
    nobody = Controller(name="Strongroom")
    (told,) = kantara("given", controller=nobody)["piiControllers"]
    assert told == {
        "piiController": "The Surgery",
        "onBehalf": False,
        "contact": "Strongroom",
        "address": {},
        "email": "",
        "phone": "",
    }
    assert kantara("given", controller=nobody)["policyUrl"] == ""


@pytest.mark.parametrize("life", sorted(LIVES))
def test_a_dpv_record_says_its_state_and_every_step(life: str) -> None:
    begins = ".." if life in NEVER_GIVEN else GIVEN.isoformat()
    until = UNTIL.get(life, END)
    at = END if life == "unanswered" else LATER
    assert as_dpv(RECORD, events(life), PURPOSE, at=at) == {
        "@context": {
            "dpv": "https://w3id.org/dpv#",
            "sector-health": "https://w3id.org/dpv/sector/health#",
            "dct": "http://purl.org/dc/terms/",
            "xsd": "http://www.w3.org/2001/XMLSchema#",
        },
        "@id": f"urn:uuid:{RECORD.record_id}",
        "@type": "dpv:ConsentRecord",
        "dct:identifier": str(RECORD.record_id),
        "dct:created": {"@type": "xsd:dateTime", "@value": ASKED.isoformat()},
        "dct:language": "en",
        "dpv:hasDataSubject": {"@id": f"urn:uuid:{OWNER}"},
        "dpv:hasDataController": "The Surgery",
        "dpv:hasRecipientThirdParty": {"@id": f"urn:uuid:{BEN}"},
        "dpv:hasLegalBasis": {"@id": "dpv:Consent"},
        "dpv:hasPurpose": {"@id": "sector-health:ServiceProvision", "dct:title": "Care"},
        "dpv:hasProcessing": [{"@id": "dpv:Use"}, {"@id": "dpv:Consult"}],
        "dpv:hasPersonalData": {
            "@id": f"urn:uuid:{RECORD.terms.resource.id}",
            "dct:type": "record: /diet, /home",
        },
        "dpv:hasNotice": {
            "@type": "dpv:ConsentNotice",
            "dct:description": "Ben may read it.",
            "dct:identifier": f"sha256:{RECORD.notice.hash.hex()}",
        },
        "dpv:hasDuration": {
            "@type": "dpv:TemporalDuration",
            "dct:valid": f"{begins}/{until.isoformat()}",
        },
        "dpv:hasConsentControl": {
            "@type": "dpv:WithdrawConsent",
            "dpv:isExercisedAt": f"POST /v1/consents/{RECORD.record_id}/withdraw",
        },
        "dpv:hasJurisdiction": "NL",
        "dpv:hasConsentStatus": {"@id": STATUS[life]},
        "dpv:hasStatus": [
            {
                "@type": STATUS[state.value],
                "dct:date": {"@type": "xsd:dateTime", "@value": when.isoformat()},
                "dpv:isIndicatedBy": {"@id": f"urn:uuid:{by}"},
            }
            for state, by, when, _ in LIVES[life]
        ],
    }


def test_what_ran_out_is_expired_before_anything_said_so() -> None:
    told: Any = as_dpv(RECORD, events("given"), PURPOSE, at=END)
    assert told["dpv:hasConsentStatus"] == {"@id": "dpv:ConsentExpired"}


def test_a_number_of_uses_is_a_duration_by_occurrences() -> None:
    counted = replace(RECORD, terms=replace(RECORD.terms, max_uses=3))
    told: Any = as_dpv(counted, events("given"), PURPOSE, at=LATER)
    assert told["dpv:hasDuration"]["@type"] == "dpv:FixedOccurrencesDuration"


def test_how_long_the_recipient_keeps_it_is_told() -> None:
    kept = replace(RECORD, terms=replace(RECORD.terms, retention=timedelta(days=2)))
    told: Any = as_dpv(kept, events("given"), PURPOSE, at=LATER)
    assert told["dpv:hasStorageCondition"] == {
        "@type": "dpv:StorageDuration",
        "dct:extent": {"@type": "xsd:duration", "@value": "PT172800S"},
    }


def test_it_begins_when_that_was_agreed() -> None:
    begins = GIVEN + timedelta(hours=1)
    later = replace(RECORD, terms=replace(RECORD.terms, not_before=begins))
    told: Any = as_dpv(later, events("requested"), PURPOSE, at=ASKED)
    assert told["dpv:hasDuration"]["dct:valid"] == f"{begins.isoformat()}/{END.isoformat()}"


def test_a_kantara_receipt_names_what_is_sensitive() -> None:
    told = kantara("given", sensitive=frozenset({"/diet"}))
    assert (told["sensitive"], told["spiCat"]) == (True, ["record: /diet"])
    told = kantara("given", sensitive=frozenset({WHOLE}))
    assert (told["sensitive"], told["spiCat"]) == (True, ["record"])
