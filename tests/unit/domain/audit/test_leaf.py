"""A leaf says what happened, and who and what only to those who hold a key to it."""

from __future__ import annotations

import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.audit.leaf import (
    LoggedEvent,
    LoggedResource,
    Opening,
    actor_key,
    body_key,
    commitment,
    evidence_key,
    leaf_of,
    opening_of,
    opens,
    resource_key,
)
from domain.identity import ConsentId, DocumentId, GrantId, PersonId

ACTOR = PersonId(UUID(int=1))
FIRST, SECOND = DocumentId(UUID(int=2)), DocumentId(UUID(int=3))
BODY = b'{"destroyed":{"keys":2}}'
EVIDENCE = b'{"outcome":{"permitted":true}}'


def salt(number: int) -> bytes:
    return bytes([number]) * 32


def a_resource(document: DocumentId, version: int, number: int, **more: Any) -> LoggedResource:
    return LoggedResource(
        document_id=document,
        version=version,
        commitment=commitment(resource_key(salt(number)), document.bytes),
        evidence_commitment=commitment(evidence_key(salt(number)), EVIDENCE),
        salt=salt(number),
        evidence=EVIDENCE,
        **more,
    )


def an_event(**changes: Any) -> LoggedEvent:
    event = LoggedEvent(
        id=UUID(int=9),
        type="release",
        at=datetime(2026, 11, 22, 4, 5, 6, 70, tzinfo=UTC),
        actor_id=ACTOR,
        action="read",
        purpose="care",
        policy_version="1",
        resources=[
            a_resource(FIRST, 1, 1, release_seq=4),
            a_resource(
                SECOND,
                2,
                2,
                grant_id=GrantId(UUID(int=5)),
                grant_epoch=1,
                consent_id=ConsentId(UUID(int=6)),
                release_seq=8,
            ),
        ],
        actor_commitment=commitment(actor_key(salt(0)), ACTOR.bytes),
        body_commitment=commitment(body_key(salt(0)), BODY),
        salt=salt(0),
    )
    return replace(event, **changes)


def of_version_1(event: LoggedEvent) -> LoggedEvent:
    """As a release of Strongroom before there was evidence wrote it."""
    resources = [
        replace(each, commitment=None, evidence_commitment=None, salt=None, evidence=None)
        for each in event.resources
    ]
    return replace(event, resources=resources, actor_commitment=None, body_commitment=None)


def leaf(event: LoggedEvent | None = None) -> dict[str, object]:
    return leaf_of("log.example/1", event or an_event(), BODY)


def opening(**documents: Any) -> Opening:
    everything = {"documents": {FIRST, SECOND}, "evidence_of": {FIRST, SECOND}, "body": BODY}
    opened = opening_of(an_event(), **(everything | documents))
    assert opened is not None
    return opened


def test_a_leaf_has_the_members_that_were_published() -> None:
    made = leaf()
    assert set(made) == {
        "v", "log", "event_id", "type", "at", "actor_h", "action", "purpose", "policy_version",
        "resources", "body_commitment",
    }  # fmt: skip
    assert made["at"] == "2026-11-22T04:05:06.000070Z"
    resources = made["resources"]
    assert isinstance(resources, list)
    assert made["v"] == 2
    assert set(resources[0]) == {
        "resource_h", "version", "release_seq", "grant_id", "grant_epoch", "consent",
        "evidence_commitment",
    }  # fmt: skip
    assert {(each["version"], each["release_seq"], each["grant_epoch"]) for each in resources} == {
        (1, 4, None),
        (2, 8, 1),
    }


def test_a_leaf_names_neither_person_nor_document_nor_body() -> None:
    text = json.dumps(leaf())
    for hidden in (ACTOR, FIRST, SECOND):
        assert str(hidden) not in text
        assert hidden.hex not in text
    assert "destroyed" not in text
    assert "permitted" not in text


def test_what_is_opened_is_what_was_committed_to() -> None:
    assert opens(leaf(), opening())
    assert opens(leaf(), opening(documents={SECOND}, body=None))


def test_one_document_can_be_opened_without_telling_of_the_others() -> None:
    told = opening(documents={FIRST}, body=None)
    assert [each.document_id for each in told.resources] == [FIRST]
    guess = replace(told.resources[0], document_id=SECOND, version=2)
    assert not opens(leaf(), replace(told, resources=(guess,)))


@given(
    st.sampled_from(
        [
            "actor",
            "actor_key",
            "document",
            "version",
            "key",
            "body",
            "body_key",
            "evidence",
            "evidence_key",
            "evidence of another",
            "evidence without its key",
        ]
    )
)
def test_other_facts_than_those_committed_to_are_refused(what: str) -> None:
    told = opening()
    first, second = told.resources

    def one(**changes: Any) -> Opening:
        return replace(told, resources=(replace(first, **changes), second))

    changed = {
        "actor": lambda: replace(told, actor_id=PersonId(UUID(int=99))),
        "actor_key": lambda: replace(told, actor_key=bytes(32)),
        "document": lambda: replace(told, resources=(first, replace(second, document_id=FIRST))),
        "version": lambda: replace(told, resources=(replace(first, version=2), second)),
        "key": lambda: replace(told, resources=(replace(first, key=second.key), second)),
        "evidence": lambda: one(evidence=EVIDENCE + b" "),
        "evidence_key": lambda: one(evidence_key=second.evidence_key),
        "evidence of another": lambda: one(key=second.key),
        "evidence without its key": lambda: one(evidence_key=None),
        "body": lambda: replace(told, body=BODY + b" "),
        "body_key": lambda: replace(told, body_key=None),
    }[what]()
    assert not opens(leaf(), changed)


def test_a_key_of_another_length_opens_nothing() -> None:
    """HMAC pads its key with zeros, so a key and the same with a zero less would be the same."""
    event = an_event()
    told = opening()
    zero_ended = replace(told, actor_key=told.actor_key + b"\0")
    assert not opens(leaf(event), zero_ended)
    longer = replace(told.resources[0], key=told.resources[0].key + b"\0")
    assert not opens(leaf(event), replace(told, resources=(longer,)))


def test_evidence_is_opened_only_where_it_is_asked_for() -> None:
    told = opening(evidence_of={SECOND})
    assert [each.evidence for each in told.resources] == [None, EVIDENCE]
    assert opens(leaf(), told)


def test_once_a_documents_salt_is_erased_only_what_concerns_others_opens() -> None:
    whole = an_event()
    first, second = whole.resources
    erased = replace(whole, resources=[replace(first, salt=None, evidence=None), second])
    told = opening_of(erased, documents={FIRST, SECOND}, evidence_of={FIRST, SECOND}, body=BODY)
    assert told is not None
    assert [each.document_id for each in told.resources] == [SECOND]
    assert leaf(erased) == leaf(whole), "what was committed to stays"
    assert opens(leaf(), told)


def test_once_the_events_salt_is_erased_nothing_opens() -> None:
    assert opening_of(an_event(salt=None), documents={FIRST}, body=None) is None
    assert opens(leaf(), opening()), "what was published stays valid"


def test_a_leaf_of_version_1_is_made_and_opened_as_before() -> None:
    event = of_version_1(an_event())
    made = leaf(event)
    assert made["v"] == 1
    assert "evidence_commitment" not in json.dumps(made)
    told = opening_of(event, documents={FIRST, SECOND}, body=BODY)
    assert told is not None
    assert len(told.resources) == 2
    assert opens(made, told)
    assert not opens(leaf(), told)
    # As published: HMAC under HMAC(salt, label), written down here a second time.
    key = hmac.digest(salt(0), b"resource" + FIRST.bytes, "sha256")
    assert hmac.digest(key, FIRST.bytes, "sha256").hex() in json.dumps(made)
    assert leaf(replace(event, salt=None))["actor_h"] is None


@pytest.mark.parametrize("wrong", [{}, {"resources": None}, {"resources": [1]}, {"actor_h": 3}])
def test_a_leaf_of_another_form_is_not_opened(wrong: dict[str, object]) -> None:
    assert not opens(wrong, opening())
