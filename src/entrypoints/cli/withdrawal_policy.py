"""What an operator says about a tenant, beside a server that runs or without one."""

from __future__ import annotations

from domain.consent.withdrawal_policy import DPV_TERMS, WithdrawalPolicy
from domain.errors import NotFound
from domain.identity import OPERATOR, Caller
from entrypoints.cli.deployment import beside_a_server
from entrypoints.settings import Settings


class TenantUnknown(NotFound):
    """There is no tenant of this name."""


async def withdrawal_policy(
    settings: Settings, tenant_name: str, wanted: WithdrawalPolicy | None
) -> str:
    """The policy in words, after it was changed if one is wanted. Raises TenantUnknown."""
    async with beside_a_server(settings) as container:
        tenant = await container.accounts().tenant_named(tenant_name)
        if tenant is None:
            raise TenantUnknown
        operator = Caller(tenant_id=tenant.id, person_id=OPERATOR)
        policies = container.withdrawal_policies()
        if wanted is not None:
            await policies.put(operator, wanted)
        return _told(await policies.of(operator))


def _told(policy: WithdrawalPolicy) -> str:
    basis = policy.keep_on
    if basis is None:
        return "hide: finished answers go with the consent that they rest on"
    term = DPV_TERMS[basis.lawful_basis]
    return (
        f"keep: finished answers stay with whoever was answered, on {basis.lawful_basis} ({term}): "
        f"{basis.reference}"
    )
