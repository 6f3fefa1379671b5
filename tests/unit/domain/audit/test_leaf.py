"""A leaf says what happened, and who and what only to those who hold a key to it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.audit.leaf import LoggedEvent, LoggedResource, Opening, leaf_of, opening_of, opens
from domain.identity import ConsentId, DocumentId, GrantId, PersonId

ACTOR = PersonId(UUID(int=1))
FIRST, SECOND = DocumentId(UUID(int=2)), DocumentId(UUID(int=3))
BODY = b'{"destroyed":{"keys":2}}'


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
            LoggedResource(document_id=FIRST, version=1, release_seq=4),
            LoggedResource(
                document_id=SECOND,
                version=2,
                grant_id=GrantId(UUID(int=5)),
                grant_epoch=1,
                consent_id=ConsentId(UUID(int=6)),
                release_seq=8,
            ),
        ],
        salt=bytes(range(32)),
    )
    return replace(event, **changes)


def leaf(event: LoggedEvent | None = None) -> dict[str, object]:
    return leaf_of("log.example/1", event or an_event(), BODY)


def opening(**documents: Any) -> Opening:
    opened = opening_of(an_event(), **({"documents": {FIRST, SECOND}, "body": BODY} | documents))
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
    other = json.dumps(leaf(an_event(salt=bytes(32))))
    commitments = [json.loads(each)["actor_h"] for each in (text, other)]
    assert commitments[0] != commitments[1]


def test_what_is_opened_is_what_was_committed_to() -> None:
    assert opens(leaf(), opening())
    assert opens(leaf(), opening(documents={SECOND}, body=None))


def test_one_document_can_be_opened_without_telling_of_the_others() -> None:
    told = opening(documents={FIRST}, body=None)
    assert [each.document_id for each in told.resources] == [FIRST]
    guess = replace(told.resources[0], document_id=SECOND, version=2)
    assert not opens(leaf(), replace(told, resources=(guess,)))


@given(st.sampled_from(["actor", "actor_key", "document", "version", "key", "body", "body_key"]))
def test_other_facts_than_those_committed_to_are_refused(what: str) -> None:
    told = opening()
    first, second = told.resources
    changed = {
        "actor": lambda: replace(told, actor_id=PersonId(UUID(int=99))),
        "actor_key": lambda: replace(told, actor_key=bytes(32)),
        "document": lambda: replace(told, resources=(first, replace(second, document_id=FIRST))),
        "version": lambda: replace(told, resources=(replace(first, version=2), second)),
        "key": lambda: replace(told, resources=(replace(first, key=second.key), second)),
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


def test_once_the_salt_is_erased_the_leaf_cannot_be_opened() -> None:
    erased = an_event(salt=None)
    assert opening_of(erased, documents={FIRST}, body=None) is None
    assert opens(leaf(), opening()), "what was published stays valid"
    assert leaf(erased)["actor_h"] is None


@pytest.mark.parametrize("wrong", [{}, {"resources": None}, {"resources": [1]}, {"actor_h": 3}])
def test_a_leaf_of_another_form_is_not_opened(wrong: dict[str, object]) -> None:
    assert not opens(wrong, opening())
