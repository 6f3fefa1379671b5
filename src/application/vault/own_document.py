"""A document that its owner is about to change or erase, held until the transaction ends."""

from __future__ import annotations

from application.vault.ports import VaultTransaction
from domain.errors import NotFound, PreconditionFailed
from domain.identity import Caller, DocumentId, ResourceKind
from domain.vault.document import Document, DocumentNotFound


async def own_document(
    tx: VaultTransaction,
    caller: Caller,
    document_id: DocumentId,
    kind: ResourceKind = ResourceKind.DOCUMENT,
    *,
    missing: type[NotFound] = DocumentNotFound,
    expected_version: int | None = None,
) -> Document:
    """Raises `missing` unless the caller owns it, and it is of this kind, and PreconditionFailed
    where another version than the expected one is current."""
    document = await tx.document(document_id, lock=True)
    if document is None or document.kind is not kind or document.owner_id != caller.person_id:
        raise missing
    if expected_version not in (None, document.current.ref.version):
        raise PreconditionFailed
    return document
