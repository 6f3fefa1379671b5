"""Rotating keys, beside a server that runs or without one."""

from __future__ import annotations

from collections.abc import Sequence

from application.vault.keykeeper import KeyVersion
from domain.accounts.email_address import email_address
from domain.accounts.person import PersonUnknown
from domain.identity import PersonId, TenantId
from entrypoints.cli.database import DEFAULT_TENANT
from entrypoints.cli.deployment import beside_a_server
from entrypoints.cli.steps import say
from entrypoints.cli.tenants import tenant_named
from entrypoints.container import Container
from entrypoints.settings import Settings


async def rotate(
    settings: Settings, *, tenant_name: str | None, email: str | None, root: bool
) -> None:
    """Raises TenantUnknown, PersonUnknown and NothingToRotate."""
    async with beside_a_server(settings) as container:
        keykeeper = container.keykeeper()
        if root:
            version = await keykeeper.rotate_root()
        else:
            tenant_id = await tenant_named(container, tenant_name or DEFAULT_TENANT)
            subject_id = None if email is None else await _person(container, tenant_id, email)
            version = await keykeeper.rotate(tenant_id, subject_id)
        say(f"version {version} is active; rewrapping what lies under older ones")
        say(f"rewrapped {await keykeeper.rewrap():,} keys")


async def status(settings: Settings, tenant_name: str) -> Sequence[str]:
    """Lines to be read by a person."""
    async with beside_a_server(settings) as container:
        tenant_id = await tenant_named(container, tenant_name)
        return [_told(each) for each in await container.keykeeper().versions(tenant_id)]


def _told(version: KeyVersion) -> str:
    whose = "" if version.subject_id is None else f" of {version.subject_id}"
    state = "active" if version.active else "only unwraps"
    return f"{version.key} key{whose}, version {version.version}: {state}, wraps {version.wraps:,}"


async def _person(container: Container, tenant_id: TenantId, email: str) -> PersonId:
    async with container.accounts().begin(tenant_id) as tx:
        found = await tx.find(email_address(email))
    if found is None:
        raise PersonUnknown
    return found.person.id
