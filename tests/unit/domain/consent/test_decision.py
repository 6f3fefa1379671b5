"""Deciding: default deny, every reason, and the grant that costs least."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.consent.decision import AccessRequest, ConsentedGrant, Decision, Denial, decide
from domain.consent.grant import (
    Grant,
    GranteeIsTheOwner,
    GrantMustAllowSomething,
    GrantMustEndLater,
)
from domain.consent.record import VALID_STATES, ConsentState
from domain.identity import (
    Action,
    ConsentId,
    DocumentId,
    GrantId,
    PersonId,
    Purpose,
    ResourceKind,
    ResourceRef,
    VersionRef,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)
OWNER = PersonId(UUID(int=1))
GRANTEE = PersonId(UUID(int=2))
DOCUMENT = DocumentId(UUID(int=3))


def a_grant(**changes: object) -> Grant:
    terms: dict[str, object] = {
        "id": GrantId(UUID(int=4)),
        "consent_id": ConsentId(UUID(int=5)),
        "owner_id": OWNER,
        "grantor_id": OWNER,
        "grantee_id": GRANTEE,
        "resource": ResourceRef(kind=ResourceKind.DOCUMENT, id=DOCUMENT),
        "actions": frozenset({Action.READ, Action.SEARCH}),
        "purpose": Purpose("care"),
        "not_before": NOW - DAY,
        "expires_at": NOW + DAY,
        "max_uses": None,
        "uses_left": None,
        "created_at": NOW - DAY,
    }
    return Grant(**(terms | changes))  # type: ignore[arg-type]


def asked(
    grant: Grant | None = None,
    *,
    person: PersonId = GRANTEE,
    action: Action = Action.READ,
    purpose: str = "care",
    state: ConsentState = ConsentState.GIVEN,
    at: datetime = NOW,
) -> Decision:
    request = AccessRequest(
        person_id=person,
        action=action,
        purpose=Purpose(purpose),
        version=VersionRef(document_id=DOCUMENT, version=1),
        owner_id=OWNER,
    )
    held = [] if grant is None else [ConsentedGrant(grant=grant, consent_state=state)]
    return decide(request, held, at)


def test_an_owner_needs_no_grant() -> None:
    assert asked(person=OWNER) == Decision()


def test_a_grant_that_fits_permits() -> None:
    grant = a_grant()
    assert asked(grant) == Decision(grant=grant)


@pytest.mark.parametrize(
    ("grant", "how", "denial"),
    [
        (None, {}, Denial.NO_GRANT),
        (a_grant(grantee_id=PersonId(UUID(int=9))), {}, Denial.NO_GRANT),
        (a_grant(owner_id=PersonId(UUID(int=9))), {}, Denial.NO_GRANT),
        (
            a_grant(resource=ResourceRef(kind=ResourceKind.DOCUMENT, id=UUID(int=9))),
            {},
            Denial.NO_GRANT,
        ),
        (a_grant(), {"action": Action.EXPORT}, Denial.ACTION_NOT_GRANTED),
        (a_grant(), {"purpose": "research"}, Denial.OTHER_PURPOSE),
        (a_grant(revoked_at=NOW), {}, Denial.REVOKED),
        (a_grant(max_uses=2, uses_left=0), {}, Denial.USED_UP),
        (a_grant(), {"state": ConsentState.WITHDRAWN}, Denial.CONSENT_NOT_VALID),
        (a_grant(), {"at": NOW - DAY - timedelta(microseconds=1)}, Denial.OUTSIDE_WINDOW),
        (a_grant(), {"at": NOW + DAY}, Denial.OUTSIDE_WINDOW),
    ],
)
def test_everything_else_is_denied_and_says_why(
    grant: Grant | None, how: dict[str, object], denial: Denial
) -> None:
    assert asked(grant, **how) == Decision(denial=denial)  # type: ignore[arg-type]


def test_the_window_is_half_open() -> None:
    assert asked(a_grant(), at=NOW - DAY).permitted
    assert not asked(a_grant(), at=NOW + DAY).permitted


def test_nothing_is_spent_where_an_unlimited_grant_permits_too() -> None:
    limited = a_grant(id=GrantId(UUID(int=7)), max_uses=9, uses_left=9, expires_at=NOW + 9 * DAY)
    unlimited = a_grant()
    request = AccessRequest(
        person_id=GRANTEE,
        action=Action.READ,
        purpose=Purpose("care"),
        version=VersionRef(document_id=DOCUMENT, version=1),
        owner_id=OWNER,
    )
    held = [
        ConsentedGrant(grant=each, consent_state=ConsentState.GIVEN)
        for each in (limited, unlimited)
    ]
    assert decide(request, held, NOW).grant == unlimited


@given(
    action=st.sampled_from(Action),
    purpose=st.sampled_from(["care", "research"]),
    state=st.sampled_from(ConsentState),
    minutes=st.integers(-3000, 3000),
    uses=st.none() | st.integers(0, 3),
    revoked=st.booleans(),
    allowed=st.frozensets(st.sampled_from(Action), min_size=1),
)
def test_a_grant_permits_exactly_when_every_condition_holds(
    action: Action,
    purpose: str,
    state: ConsentState,
    minutes: int,
    uses: int | None,
    revoked: bool,
    allowed: frozenset[Action],
) -> None:
    at = NOW + timedelta(minutes=minutes)
    grant = a_grant(
        actions=allowed,
        max_uses=None if uses is None else 3,
        uses_left=uses,
        revoked_at=NOW if revoked else None,
    )
    expected = (
        action in allowed
        and purpose == "care"
        and state in VALID_STATES
        and NOW - DAY <= at < NOW + DAY
        and uses != 0
        and not revoked
    )
    decision = asked(grant, action=action, purpose=purpose, state=state, at=at)
    assert decision.permitted == expected
    assert (decision.grant == grant) == expected


def test_a_grant_that_could_never_hold_cannot_be_made() -> None:
    with pytest.raises(GrantMustEndLater):
        a_grant(not_before=NOW, expires_at=NOW)
    with pytest.raises(GrantMustAllowSomething):
        a_grant(actions=frozenset())
    with pytest.raises(GranteeIsTheOwner):
        a_grant(grantee_id=OWNER)
