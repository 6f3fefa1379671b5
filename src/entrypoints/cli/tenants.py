"""The tenant that a command names, and who acts in it."""

from __future__ import annotations

from domain.errors import NotFound
from domain.identity import OPERATOR, Caller, Role, TenantId
from entrypoints.container import Container


class TenantUnknown(NotFound):
    """There is no tenant of this name."""


async def tenant_named(container: Container, name: str) -> TenantId:
    """Raises TenantUnknown."""
    found = await container.accounts().tenant_named(name)
    if found is None:
        raise TenantUnknown
    return found.id


async def operator_in(container: Container, tenant_name: str) -> Caller:
    """Whoever runs the deployment, with an administrator's rights. Raises TenantUnknown."""
    tenant_id = await tenant_named(container, tenant_name)
    return Caller(tenant_id=tenant_id, person_id=OPERATOR, role=Role.ADMIN)
