"""Say what becomes of finished answers when a consent is withdrawn."""

from __future__ import annotations

from dataclasses import dataclass

from application.consent.ports import WithdrawalPolicies
from domain.consent.withdrawal_policy import (
    WithdrawalPolicy,
    WithdrawalPolicyIsKeptByAdministrators,
)
from domain.identity import Caller, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWithdrawalPolicy:
    """It holds for withdrawals from now on: what was hidden stays hidden, what was kept kept."""

    policies: WithdrawalPolicies

    async def __call__(self, *, caller: Caller, policy: WithdrawalPolicy) -> None:
        """Raises WithdrawalPolicyIsKeptByAdministrators for everybody else."""
        if caller.role is not Role.ADMIN:
            raise WithdrawalPolicyIsKeptByAdministrators
        await self.policies.put(caller, policy)
