"""What becomes of a tenant's finished answers after a withdrawal: show it, change it."""

from __future__ import annotations

from domain.consent.withdrawal_policy import DPV_TERMS, WithdrawalPolicy
from entrypoints.cli.deployment import beside_a_server
from entrypoints.cli.tenants import operator_in
from entrypoints.settings import Settings


async def withdrawal_policy(
    settings: Settings, tenant_name: str, wanted: WithdrawalPolicy | None
) -> str:
    """The policy in words, after it was changed if one is wanted. Raises TenantUnknown."""
    async with beside_a_server(settings) as container:
        operator = await operator_in(container, tenant_name)
        if wanted is not None:
            await container.set_withdrawal_policy()(caller=operator, policy=wanted)
        return _told(await container.withdrawal_policies().of(operator))


def _told(policy: WithdrawalPolicy) -> str:
    basis = policy.keep_on
    if basis is None:
        return "hide: finished answers go with the consent that they rest on"
    term = DPV_TERMS[basis.lawful_basis]
    return (
        f"keep: finished answers stay with whoever was answered, on {basis.lawful_basis} ({term}): "
        f"{basis.reference}"
    )
