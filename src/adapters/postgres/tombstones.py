"""Withdrawal and erasure reach the answers that were made from what is gone.

Erasure hides them all. A withdrawal leaves those that were finished to whoever was answered where
the tenant's policy keeps them, on a lawful basis that is not consent.

A chat's rows are changed here in the transaction of another module, so that there is no
moment at which the consent is gone and the answer is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.statements import statement
from adapters.postgres.withdrawal_policies import withdrawal_policy
from application.consent.ports import StoppedStream
from domain.consent.withdrawal_policy import KeepingBasis
from domain.identity import DocumentId, GrantId, RunId, TenantId

ACCESS_REVOKED = "access_revoked"
DOCUMENT_ERASED = "document_erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """The answers that were being written, how many were hidden in all, and how many were kept,
    on which basis; None where none was."""

    streams: Sequence[StoppedStream]
    answers_hidden: int
    answers_kept: int
    kept_under: KeepingBasis | None


async def tombstone_answers(
    connection: AsyncConnection,
    tenant_id: TenantId,
    *,
    reason: str,
    grants: Sequence[GrantId] = (),
    documents: Sequence[DocumentId] = (),
    only_of: DocumentId | None = None,
    policy_applies: bool = False,
) -> TakenBack:
    """What rests on any of the grants, of one document alone if `only_of` names it; or on any of
    the documents, whoever granted them. With `policy_applies` the tenant's policy of withdrawal
    may keep what was finished."""
    basis = None
    if policy_applies:
        basis = (await withdrawal_policy(connection, tenant_id, lock=True)).keep_on
    values = {
        "tenant": tenant_id,
        "grants": list(grants),
        "only_of": only_of,
        "documents": list(documents),
    }
    says = {
        "reason": reason,
        "basis": None if basis is None else basis.lawful_basis,
        "reference": None if basis is None else basis.reference,
    }
    # First the locks: an append in flight is waited for, and the statement that deletes begins
    # after it, and so sees what it added.
    await connection.execute(statement("lock_answers"), values)
    rows = (await connection.execute(statement("tombstone_answers"), values | says)).all()
    stopped = [
        StoppedStream(run_id=RunId(row.run_id), ended_at=row.ended_at)
        for row in rows
        if row.state == "running"
    ]
    kept = sum(row.kept for row in rows)
    return TakenBack(
        streams=stopped,
        answers_hidden=len(rows) - kept,
        answers_kept=kept,
        kept_under=basis if kept else None,
    )
