"""A new version of a document; the one before stays as it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from application.ports import Cipher, NewId
from application.vault.add_document import index_job
from application.vault.own_document import own_document
from application.vault.ports import (
    INDEX_VERSION,
    Blobs,
    Documents,
    content_context,
)
from application.vault.sealed_upload import SealedUpload
from domain.identity import BlobId, Caller, DocumentId, VersionRef
from domain.language import Language
from domain.vault.document import Document, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceContent:
    """Stores the next version, if nobody else did since the caller looked."""

    documents: Documents
    blobs: Blobs
    upload: SealedUpload
    cipher: Cipher
    new_id: NewId

    async def __call__(
        self,
        *,
        caller: Caller,
        document_id: DocumentId,
        expected_version: int,
        content: AsyncIterator[bytes],
        language: Language | None = None,
    ) -> Document:
        """Raises DocumentNotFound unless the caller owns it, PreconditionFailed if it moved on.

        `language` is what it is in from now on; None leaves what was said before.
        """
        async with self.documents.begin(caller) as tx:  # before a byte is read
            await own_document(tx, caller, document_id, expected_version=expected_version)
        ref = VersionRef(document_id=document_id, version=expected_version + 1)
        blob = BlobId(self.new_id())
        key = self.cipher.new_key()
        stored = await self.upload(
            caller=caller,
            blob=blob,
            content=content,
            key=key,
            context=content_context(caller.tenant_id, caller.person_id, ref, b"content"),
        )
        try:
            async with self.documents.begin(caller) as tx:
                await own_document(tx, caller, document_id, expected_version=expected_version)
                next_version = Version(
                    ref=ref,
                    media_type=stored.media_type,
                    content_length=stored.content_length,
                    content_blob=blob,
                    created_at=await tx.now(),
                )
                await tx.replace(next_version, content_key=key, language=language)
                await tx.jobs.enqueue(INDEX_VERSION, index_job(caller, ref))
                replaced = await tx.document(document_id)
        except BaseException:
            await self.blobs.discard(caller.tenant_id, blob)
            raise
        assert replaced is not None
        return replaced
