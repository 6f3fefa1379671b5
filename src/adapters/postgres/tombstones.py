"""Withdrawal and erasure reach the answers that were made from what is gone.

A chat's rows are changed here in the transaction of another module, so that there is no
moment at which the consent is gone and the answer is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.statements import statement
from application.consent.ports import StoppedStream
from domain.identity import DocumentId, GrantId, RunId, TenantId

ACCESS_REVOKED = "access_revoked"
DOCUMENT_ERASED = "document_erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """The answers that were being written, and how many were hidden in all."""

    streams: Sequence[StoppedStream]
    answers_hidden: int


async def tombstone_answers(
    connection: AsyncConnection,
    tenant_id: TenantId,
    *,
    reason: str,
    grants: Sequence[GrantId] = (),
    documents: Sequence[DocumentId] = (),
    only_of: DocumentId | None = None,
) -> TakenBack:
    """What rests on any of the grants, of one document alone if `only_of` names it; or on any of
    the documents, whoever granted them."""
    values = {
        "tenant": tenant_id,
        "grants": list(grants),
        "only_of": only_of,
        "documents": list(documents),
    }
    # First the locks: an append in flight is waited for, and the statement that deletes begins
    # after it, and so sees what it added.
    await connection.execute(statement("lock_answers"), values)
    rows = (
        await connection.execute(statement("tombstone_answers"), values | {"reason": reason})
    ).all()
    stopped = [
        StoppedStream(run_id=RunId(row.run_id), ended_at=row.ended_at)
        for row in rows
        if row.state == "running"
    ]
    return TakenBack(streams=stopped, answers_hidden=len(rows))
