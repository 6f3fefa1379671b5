"""Say what a document is worth beside others in a search."""

from __future__ import annotations

from dataclasses import dataclass

from application.ports import LogWritable
from application.vault.own_document import own_document
from application.vault.ports import Documents
from domain.identity import Caller, DocumentId
from domain.vault.document import assert_weight


@dataclass(frozen=True, slots=True, kw_only=True)
class WeighDocument:
    """The owner's word. It moves the document, by a bounded step, in every search that finds it."""

    documents: Documents
    log_writable: LogWritable

    async def __call__(self, *, caller: Caller, document_id: DocumentId, weight: float) -> None:
        """Saying the same again changes nothing. Raises DocumentNotFound unless the caller owns
        it, and WeightOutOfRange."""
        assert_weight(weight)
        await self.log_writable()
        async with self.documents.begin(caller) as tx:
            document = await own_document(tx, caller, document_id)
            if document.weight != weight:
                await tx.weigh(document, weight)
