"""What is shared onward is never wider: the domain says so, and the database, whoever asks it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.identifiers import uuid7
from adapters.postgres.engine import transaction, violated
from adapters.postgres.grant_rows import row_of
from adapters.postgres.tables import grants
from domain.consent.grant import Grant, GrantWiderThanParent, UsesPerInterval, assert_within
from domain.consent.terms import Terms
from domain.identity import (
    Acr,
    Action,
    Caller,
    ConsentId,
    GrantId,
    Purpose,
    ResourceKind,
    ResourceRef,
    TenantId,
)
from entrypoints.container import Container
from tests.integration.conftest import add_text

CallerIn = Callable[[TenantId], Awaitable[Caller]]
EXAMPLES = 300
NOW = datetime.now(UTC)
RESOURCE = ResourceRef(kind=ResourceKind.RECORD, id=uuid7())

_some = st.none() | st.integers(1, 4)
_terms = st.fixed_dictionaries(
    {
        "fields": st.none()
        | st.frozensets(st.sampled_from(["/a", "/a/b", "/a/b/c", "/ab", "/b"]), min_size=1),
        "versions": st.none() | st.frozensets(st.integers(1, 3), min_size=1),
        "actions": st.frozensets(st.sampled_from(Action), min_size=1).map(
            lambda some: some | {Action.READ}
        ),
        "purpose": st.sampled_from([Purpose("care"), Purpose("care"), Purpose("research")]),
        "not_before": st.integers(-3, 0).map(lambda hours: NOW + timedelta(hours=hours)),
        "expires_at": st.integers(1, 4).map(lambda hours: NOW + timedelta(hours=hours)),
        "max_uses": _some,
        "uses_per_interval": st.none()
        | st.builds(
            UsesPerInterval, uses=st.integers(1, 3), seconds=st.sampled_from([60, 3600, 86400])
        ),
        "retention": st.none() | st.integers(0, 3).map(lambda days: timedelta(days=days)),
        "required_acr": st.none() | st.just(Acr.MFA),
    }
)


@pytest.fixture
async def three(tenant_id: TenantId, caller_in: CallerIn) -> list[Caller]:
    return [await caller_in(tenant_id) for _ in range(3)]


@pytest.fixture
async def consent_id(container: Container, three: list[Caller]) -> ConsentId:
    """Of any grant: what is looked at here is the grant."""
    owner, grantee, _ = three
    document = await add_text(container, owner, "A heron.", "Herons")
    terms = Terms(
        resource=ResourceRef(kind=ResourceKind.DOCUMENT, id=document.id),
        actions=frozenset({Action.READ}),
        purpose=Purpose("care"),
        expires_at=NOW + timedelta(hours=1),
    )
    give = container.give_grant()
    return (await give(caller=owner, grantee=grantee.person_id, terms=terms)).consent_id


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(above=_terms, below=_terms, taken_over=st.sets(st.sampled_from(range(10))))
async def test_domain_and_database_agree_on_what_is_wider(
    container: Container,
    three: list[Caller],
    consent_id: ConsentId,
    above: dict[str, Any],
    below: dict[str, Any],
    taken_over: set[int],
) -> None:
    owner, grantee, third = three
    # Of two at random nearly every one is wider somewhere: most of the terms are taken over.
    names = list(above)
    child_terms = {
        name: above[name] if at in taken_over or at % 3 else below[name]
        for at, name in enumerate(names)
    }
    above["actions"] |= {Action.SHARE}

    def made(terms: dict[str, Any], by: Caller, to: Caller) -> Grant:
        return Terms(resource=RESOURCE, **terms).grant(
            id=GrantId(uuid7()),
            consent_id=consent_id,
            owner_id=owner.person_id,
            grantor_id=by.person_id,
            grantee_id=to.person_id,
            now=NOW,
        )

    parent = made(above, owner, grantee)
    child = replace(made(child_terms, grantee, third), parent_id=parent.id, ancestors=(parent.id,))
    try:
        assert_within(child, parent)
        permitted = True
    except GrantWiderThanParent:
        permitted = False
    async with transaction(container.engine(), owner.tenant_id, owner.person_id) as connection:
        assert await _inserted(connection, owner.tenant_id, parent)
        assert await _inserted(connection, owner.tenant_id, child) is permitted
        await connection.rollback()


async def _inserted(connection: AsyncConnection, tenant_id: TenantId, grant: Grant) -> bool:
    row = row_of(grant) | {"tenant_id": tenant_id, "is_counted": grant.is_counted}
    try:
        async with connection.begin_nested():
            await connection.execute(insert(grants).values(row))
    except IntegrityError as refused:
        if violated(refused) != "grants_within_parent_check":
            raise
        return False
    return True
