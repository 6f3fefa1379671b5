"""The registry of purposes: everybody reads it, administrators keep it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace

import pytest

from domain.consent.purpose import (
    PurposeIsKeptByAdministrators,
    PurposeNotUsable,
    RegisteredPurpose,
)
from domain.identity import Caller, Purpose, Role, TenantId
from entrypoints.container import Container
from tests.integration.conftest import new_tenant

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
