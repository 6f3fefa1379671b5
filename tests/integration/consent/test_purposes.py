"""The registry of purposes: everybody reads it, administrators keep it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from domain.consent.exports import ExportForm
from domain.consent.purpose import (
    PurposeAgreedTo,
    PurposeIsKeptByAdministrators,
    PurposeNotUsable,
    RegisteredPurpose,
)
from domain.consent.terms import Terms
from domain.identity import Action, Caller, Purpose, ResourceKind, ResourceRef, Role, TenantId
from entrypoints.container import Container
from tests.integration.conftest import add_text, new_tenant

CallerIn = Callable[[TenantId], Awaitable[Caller]]
CLAIMS = RegisteredPurpose(
    code=Purpose("claims"), title="Insurance claims", dpv_term="dpv:ServiceProvision"
)


async def test_an_administrator_adds_a_purpose_and_says_it_anew(
    container: Container, tenant_id: TenantId, caller_in: CallerIn
) -> None:
    member = await caller_in(tenant_id)
    admin = replace(member, role=Role.ADMIN)
    register, purposes = container.register_purpose(), container.purposes()
    before = await purposes.all(member)
    assert len(before) == 6
    await register(caller=admin, **asdict(CLAIMS))
    renamed = replace(CLAIMS, title="Claims against insurers")
    await register(caller=admin, **asdict(renamed))
    assert await purposes.all(member) == sorted([*before, renamed], key=lambda each: each.code)


async def test_what_was_agreed_to_is_not_called_something_else_afterwards(
    container: Container, tenant_id: TenantId, caller_in: CallerIn
) -> None:
    owner, ben = [await caller_in(tenant_id) for _ in range(2)]
    register = container.register_purpose()
    admin = replace(owner, role=Role.ADMIN)
    await register(caller=admin, **asdict(CLAIMS))
    document = await add_text(container, owner, "A heron.", "Herons")
    terms = Terms(
        resource=ResourceRef(kind=ResourceKind.DOCUMENT, id=document.id),
        actions=frozenset({Action.READ}),
        purpose=CLAIMS.code,
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    grant = await container.give_grant()(caller=owner, grantee=ben.person_id, terms=terms)
    export: Any = partial(
        container.export_consent(), caller=ben, consent_id=grant.consent_id, form=ExportForm.DPV
    )
    before = await export()
    for change in ({"title": "Selling to advertisers"}, {"dpv_term": "dpv:Advertising"}):
        with pytest.raises(PurposeAgreedTo):
            await register(caller=admin, **asdict(CLAIMS) | change)
    assert await export() == before
    await register(caller=admin, **asdict(CLAIMS))  # in the same words it is no change


@pytest.mark.parametrize("role", [Role.MEMBER, Role.AUDITOR])
async def test_nobody_else_changes_the_registry(
    container: Container, tenant_id: TenantId, caller_in: CallerIn, role: Role
) -> None:
    caller = replace(await caller_in(tenant_id), role=role)
    with pytest.raises(PurposeIsKeptByAdministrators):
        await container.register_purpose()(caller=caller, **asdict(CLAIMS))
    assert CLAIMS not in await container.purposes().all(caller)


async def test_a_registry_is_one_tenants_own(
    container: Container, tenant_id: TenantId, caller_in: CallerIn, database: object
) -> None:
    admin = replace(await caller_in(tenant_id), role=Role.ADMIN)
    await container.register_purpose()(caller=admin, **asdict(CLAIMS))
    stranger = await caller_in(await new_tenant(database))  # type: ignore[arg-type]
    assert CLAIMS not in await container.purposes().all(stranger)


@pytest.mark.parametrize(
    "wrong",
    [{"code": "Claims"}, {"code": ""}, {"title": ""}, {"title": "a\nb"}, {"dpv_term": "claims"}],
)
def test_a_purpose_that_nobody_could_name_is_none(wrong: dict[str, str]) -> None:
    with pytest.raises(PurposeNotUsable) as refused:
        replace(CLAIMS, **wrong)
    assert refused.value.field == f"/{next(iter(wrong))}"
