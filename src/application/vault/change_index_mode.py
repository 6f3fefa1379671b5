"""Change what the index keeps of a document. What it kept goes at once."""

from __future__ import annotations

from dataclasses import dataclass

from application.vault.add_document import index_job
from application.vault.own_document import own_document
from application.vault.ports import INDEX_VERSION, Documents
from domain.identity import Caller, DocumentId, ResourceKind
from domain.vault.document import IndexMode


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeIndexMode:
    """Once this is acknowledged nothing is left of the former index. Until it has been made anew,
    in the background, the document is not found."""

    documents: Documents

    async def __call__(
        self,
        *,
        caller: Caller,
        document_id: DocumentId,
        index_mode: IndexMode,
        kind: ResourceKind = ResourceKind.DOCUMENT,
    ) -> None:
        """Nothing happens where it is so already.

        Raises DocumentNotFound unless the caller owns it, and it is of this kind.
        """
        async with self.documents.begin(caller) as tx:
            document = await own_document(tx, caller, document_id, kind)
            if document.index_mode is index_mode:
                return
            await tx.change_index_mode(document, index_mode)
            await tx.jobs.enqueue(INDEX_VERSION, index_job(caller, document.current.ref))
