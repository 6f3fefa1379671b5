"""The verifier's policy and the one that decides are two readings of the same rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.consent.decision import AccessRequest, ConsentedGrant, decide
from domain.consent.evidence import evidence_of
from domain.consent.grant import Grant, UsesPerInterval
from domain.consent.record import ConsentState
from domain.identity import (
    Acr,
    Action,
    CollectionId,
    ConsentId,
    DocumentId,
    GrantId,
    PersonId,
    Purpose,
    ResourceKind,
    ResourceRef,
    VersionRef,
)
from entrypoints.verifier.policy import outcome

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
OWNER, ASKER, OTHER, GRANTOR = (PersonId(UUID(int=n)) for n in range(1, 5))
DOCUMENT, ANOTHER, COLLECTION = UUID(int=11), UUID(int=12), UUID(int=13)
PURPOSES = st.sampled_from([Purpose("care"), Purpose("research")])
HOURS = st.integers(-3, 3).map(lambda hours: NOW + timedelta(hours=hours))
FIELDS = st.one_of(
    st.none(),
    st.frozensets(st.sampled_from(["/a", "/a/b", "/a~1b", "/ab", "/c/0", "/c"]), min_size=1),
)
INTERVALS = st.one_of(
    st.none(),
    st.builds(
        UsesPerInterval,
        uses=st.just(3),
        seconds=st.just(3600),
        left=st.one_of(st.none(), st.integers(0, 3)),
        started_at=HOURS,
    ),
)


@st.composite
def grants(draw: st.DrawFn) -> ConsentedGrant:
    begins = draw(HOURS)
    limit = draw(st.one_of(st.none(), st.just(5)))
    kind = draw(st.sampled_from([ResourceKind.RECORD, ResourceKind.COLLECTION]))
    record = kind is ResourceKind.RECORD
    grant = Grant(
        id=GrantId(UUID(int=draw(st.integers(100, 10_000)))),
        consent_id=ConsentId(UUID(int=21)),
        owner_id=OWNER,
        grantor_id=GRANTOR,
        grantee_id=draw(st.sampled_from([ASKER, ASKER, ASKER, OTHER])),
        resource=ResourceRef(
            kind=kind,
            id=draw(st.sampled_from([DOCUMENT, DOCUMENT, ANOTHER])) if record else COLLECTION,
        ),
        fields=draw(FIELDS) if record else None,
        versions=draw(st.one_of(st.none(), st.just(frozenset({1, 2})))) if record else None,
        actions=draw(
            st.sampled_from([frozenset({Action.READ}), frozenset({Action.READ, Action.QUOTE})])
        ),
        purpose=draw(PURPOSES),
        not_before=begins,
        expires_at=begins + timedelta(hours=draw(st.integers(1, 5))),
        max_uses=limit,
        uses_left=None if limit is None else draw(st.integers(0, 2)),
        uses_per_interval=draw(INTERVALS),
        required_acr=draw(st.one_of(st.none(), st.sampled_from(Acr))),
        counted_above=draw(st.booleans()),
        created_at=NOW,
        revoked_at=draw(st.one_of(st.none(), st.none(), st.just(NOW))),
    )
    state = st.sampled_from(
        [ConsentState.GIVEN, ConsentState.GIVEN, ConsentState.RENEWED, ConsentState.WITHDRAWN]
    )
    return ConsentedGrant(grant=grant, consent_state=draw(state))


@st.composite
def cases(draw: st.DrawFn) -> tuple[AccessRequest, list[ConsentedGrant], frozenset[GrantId]]:
    held = draw(st.lists(grants(), max_size=4, unique_by=lambda each: each.grant.id))
    request = AccessRequest(
        person_id=draw(st.sampled_from([ASKER, ASKER, ASKER, OWNER])),
        action=draw(st.sampled_from([Action.READ, Action.QUOTE])),
        purpose=draw(PURPOSES),
        version=VersionRef(document_id=DocumentId(DOCUMENT), version=draw(st.integers(1, 3))),
        owner_id=OWNER,
        acr=draw(st.sampled_from(Acr)),
        fields=draw(FIELDS),
        collections=draw(
            st.sampled_from([frozenset[CollectionId](), frozenset({CollectionId(COLLECTION)})])
        ),
    )
    ids = [each.grant.id for each in held]
    refused = draw(st.frozensets(st.sampled_from(ids))) if ids else frozenset[GrantId]()
    return request, held, refused


@settings(max_examples=400, deadline=None)
@given(cases())
def test_every_decision_replays_from_its_evidence(
    case: tuple[AccessRequest, list[ConsentedGrant], frozenset[GrantId]],
) -> None:
    request, held, refused = case
    decision = decide(request, held, NOW, uses_refused=refused)
    told = evidence_of(request, held, NOW, decision, uses_refused=refused)
    evidence = json.loads(json.dumps(told))
    assert outcome(evidence) == evidence["outcome"]
