"""How far a version has come: its state, and a numbered event for whoever watches."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.statements import statement
from domain.identity import TenantId, VersionRef


async def record_progress(
    connection: AsyncConnection, tenant_id: TenantId, version: VersionRef, state: str
) -> bool:
    """False where there is nothing to record it on: the document was erased meanwhile."""
    values = progress_values(tenant_id, version, state)
    recorded = await connection.execute(statement("record_progress"), values)
    return recorded.one_or_none() is not None


def progress_values(
    tenant_id: TenantId,
    version: VersionRef,
    state: str,
    *,
    reason: str | None = None,
    done: int | None = None,
    total: int | None = None,
) -> dict[str, object]:
    """Parameters of record_progress.sql."""
    return {
        "tenant": tenant_id,
        "document": version.document_id,
        "version": version.version,
        "state": state,
        "reason": reason,
        "done": done,
        "total": total,
    }
