"""Erase: the key is destroyed, and everything that was made from the document goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from application.ports import EndingsKept, NewId
from application.vault.own_document import own_document
from application.vault.ports import Documents, Erasure
from domain.identity import Caller, DocumentId, ResourceKind


class ErasureSigner(Protocol):
    """Signs what the owner is handed."""

    async def sign(self, kind: str, claims: Mapping[str, object]) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt:
    """What went, since when, and until when a backup may still hold the wrapped key."""

    document_id: DocumentId
    erasure: Erasure
    backup_horizon: datetime
    signed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseDocument:
    """The owner's last word on a document."""

    documents: Documents
    receipts: ErasureSigner
    endings_kept: EndingsKept
    new_id: NewId
    backup_retention: timedelta

    async def __call__(
        self,
        *,
        caller: Caller,
        document_id: DocumentId,
        kind: ResourceKind = ResourceKind.DOCUMENT,
    ) -> ErasureReceipt:
        """Raises DocumentNotFound unless the caller owns it, and it is of this kind."""
        async with self.documents.begin(caller) as tx:
            document = await own_document(tx, caller, document_id, kind)
            erasure = await tx.erase(document)
        await self.endings_kept()
        horizon = erasure.at + self.backup_retention
        claims: dict[str, object] = {
            "receipt_id": str(self.new_id()),
            "issued_to": str(caller.person_id),
            "document_id": str(document_id),
            "destroyed": dict(erasure.destroyed),
            "residue": dict(erasure.residue),
            "index_probes": erasure.index_probes,
            "effective_at": erasure.at.isoformat(),
            "backup_horizon": horizon.isoformat(),
        }
        return ErasureReceipt(
            document_id=document_id,
            erasure=erasure,
            backup_horizon=horizon,
            signed=await self.receipts.sign("erasure-receipt", claims),
        )
