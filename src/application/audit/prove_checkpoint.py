"""Prove: that a checkpoint of the caller's log is in the log of checkpoints."""

from __future__ import annotations

from dataclasses import dataclass

from application.audit.ports import AuditTrail
from application.audit.prove_entry import EntryProof, ProveEntry
from domain.audit.checkpoint import LOG_OF_CHECKPOINTS
from domain.errors import NotFound
from domain.identity import OPERATOR, Caller, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveCheckpoint:
    """For everyone in the tenant, and of no other tenant's."""

    trail: AuditTrail
    prove_entry: ProveEntry

    async def __call__(self, *, tenant_id: TenantId) -> EntryProof:
        """Of the newest one that is there. Raises NotFound while there is none."""
        event_id = await self.trail.logged_checkpoint(tenant_id)
        if event_id is None:
            raise NotFound
        operator = Caller(tenant_id=LOG_OF_CHECKPOINTS, person_id=OPERATOR)
        return await self.prove_entry(caller=operator, event_id=event_id)
