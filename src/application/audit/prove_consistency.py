"""Prove: that a later tree of the log begins with exactly an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from application.audit.ports import AuditTrail
from domain.audit.tree import consistency_path, positions, range_hash
from domain.errors import Invalid
from domain.identity import TenantId


class SizesNotProvable(Invalid):
    """Name two sizes of the log, from 1 to that of the latest checkpoint, the smaller first."""

    code = "sizes_not_provable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsistencyProof:
    """RFC 9162, section 2.1.4: `hashes` lead from the root over `old` leaves to that over `new`."""

    old: int
    new: int
    hashes: Sequence[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveConsistency:
    """For everyone in the tenant: it tells nothing about what is in the log."""

    trail: AuditTrail

    async def __call__(self, *, tenant_id: TenantId, old: int, new: int | None) -> ConsistencyProof:
        """`new` is the size of the latest checkpoint where it is None. Raises SizesNotProvable."""
        latest = await self.trail.checkpoint(tenant_id)
        size = 0 if latest is None else latest.size
        new = size if new is None else new
        if not 1 <= old <= new <= size:
            raise SizesNotProvable(
                f"{SizesNotProvable.__doc__} Now this is {size}.",
                field="/query/to" if new > size else "/query/from",
            )
        path = consistency_path(old, new)
        nodes = await self.trail.nodes(tenant_id, positions(path))
        return ConsistencyProof(old=old, new=new, hashes=[range_hash(each, nodes) for each in path])
