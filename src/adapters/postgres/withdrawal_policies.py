"""What a tenant does with answers when the consent that they rest on is withdrawn."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.audit_events import record_event
from adapters.postgres.engine import transaction
from adapters.postgres.evidence import PostgresEvidence
from adapters.postgres.tables import withdrawal_policies
from application.ports import NewId
from domain.consent.withdrawal_policy import AnswersThen, KeepingBasis, WithdrawalPolicy
from domain.identity import Caller, LawfulBasis, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresWithdrawalPolicies:
    """`WithdrawalPolicies`."""

    engine: AsyncEngine
    evidence: PostgresEvidence
    new_id: NewId

    async def of(self, caller: Caller) -> WithdrawalPolicy:
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            return await withdrawal_policy(connection, caller.tenant_id)

    async def put(self, caller: Caller, policy: WithdrawalPolicy) -> None:
        basis = policy.keep_on
        told = {
            "answers": policy.answers,
            "lawful_basis": None if basis is None else basis.lawful_basis,
            "reference": None if basis is None else basis.reference,
            "set_at": func.clock_timestamp(),
        }
        row = upsert(withdrawal_policies).values(tenant_id=caller.tenant_id, **told)
        sealing = await self.evidence.sealing(caller)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            await connection.execute(
                row.on_conflict_do_update(index_elements=["tenant_id"], set_=told)
            )
            await record_event(
                connection,
                caller,
                sealing,
                event_id=self.new_id(),
                type="withdrawal_policy_set",
                at=None,
                body={
                    "answers": policy.answers.value,
                    "kept_under": None if basis is None else basis.claims(),
                },
            )


async def withdrawal_policy(
    connection: AsyncConnection, tenant_id: TenantId, *, lock: bool = False
) -> WithdrawalPolicy:
    """With `lock` it does not change before this transaction ends."""
    row_of = select(
        withdrawal_policies.c.answers,
        withdrawal_policies.c.lawful_basis,
        withdrawal_policies.c.reference,
    ).where(withdrawal_policies.c.tenant_id == tenant_id)
    if lock:
        row_of = row_of.with_for_update(read=True)
    row = (await connection.execute(row_of)).one_or_none()
    if row is None or row.answers == AnswersThen.HIDE:
        return WithdrawalPolicy()
    basis = KeepingBasis(lawful_basis=LawfulBasis(row.lawful_basis), reference=row.reference)
    return WithdrawalPolicy(keep_on=basis)
