"""Take a document in: sealed under a key of its own before anything is stored."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from application.ports import Cipher, DataKey, Idempotency, NewId
from application.vault.descriptions import Descriptions
from application.vault.ports import INDEX_VERSION, Blobs, Documents, content_context
from application.vault.sealed_upload import SealedUpload, StoredUpload
from domain.identity import Acr, BlobId, Caller, DocumentId, VersionRef
from domain.language import Language
from domain.vault.document import (
    AuditMode,
    Description,
    Document,
    DocumentNotFound,
    IndexMode,
    Version,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentDetails:
    """What is said about a document when it is handed in."""

    description: Description
    index_mode: IndexMode = IndexMode.CLEAR
    audit_mode: AuditMode = AuditMode.COMMITTED
    approval_acr: Acr = Acr.PASSWORD
    language: Language | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddDocument:
    """The first version of a new document, and the job that will make it searchable."""

    documents: Documents
    blobs: Blobs
    upload: SealedUpload
    cipher: Cipher
    descriptions: Descriptions
    new_id: NewId

    async def __call__(
        self,
        *,
        caller: Caller,
        content: AsyncIterator[bytes],
        details: Callable[[], Awaitable[DocumentDetails]],
        idempotency: Idempotency | None = None,
    ) -> Document:
        """Repeated with the same idempotency key it returns the document of the first time.

        `details` is asked for once the content has passed: a form may name them after its file.
        """
        ref = VersionRef(document_id=DocumentId(self.new_id()), version=1)
        blob = BlobId(self.new_id())
        content_key, metadata_key = self.cipher.new_key(), self.cipher.new_key()
        stored = await self.upload(
            caller=caller,
            blob=blob,
            content=content,
            key=content_key,
            context=content_context(caller.tenant_id, caller.person_id, ref, b"content"),
        )
        try:
            said = await details()
            async with self.documents.begin(caller) as tx:
                claimed = await tx.claim(
                    _fingerprint(idempotency, said, stored.hash), ref.document_id
                )
                if claimed == ref.document_id:
                    document = self._document(
                        caller, ref, blob, stored, said, metadata_key, await tx.now()
                    )
                    await tx.add(document, content_key=content_key, metadata_key=metadata_key)
                    await tx.jobs.enqueue(INDEX_VERSION, index_job(caller, ref))
                    return document
                earlier = await tx.document(claimed)
            if earlier is None:  # made by the first request, erased since
                raise DocumentNotFound
        except BaseException:
            await self.blobs.discard(caller.tenant_id, blob)
            raise
        await self.blobs.discard(caller.tenant_id, blob)
        return earlier

    def _document(
        self,
        caller: Caller,
        ref: VersionRef,
        blob: BlobId,
        stored: StoredUpload,
        said: DocumentDetails,
        metadata_key: DataKey,
        now: datetime,
    ) -> Document:
        first = Version(
            ref=ref,
            media_type=stored.media_type,
            content_length=stored.content_length,
            content_blob=blob,
            created_at=now,
        )
        sealed = self.descriptions.seal(
            said.description, metadata_key, caller.tenant_id, caller.person_id, ref.document_id
        )
        return Document(
            id=ref.document_id,
            owner_id=caller.person_id,
            current=first,
            searchable_version=None,
            index_mode=said.index_mode,
            audit_mode=said.audit_mode,
            approval_acr=said.approval_acr,
            language=said.language,
            sealed_description=sealed,
            created_at=now,
            updated_at=now,
        )


def index_job(caller: Caller, ref: VersionRef) -> dict[str, str]:
    return {
        "tenant_id": str(caller.tenant_id),
        "person_id": str(caller.person_id),
        "document_id": str(ref.document_id),
        "version": str(ref.version),
    }


def _fingerprint(
    idempotency: Idempotency | None, said: DocumentDetails, content_hash: bytes
) -> Idempotency | None:
    """What makes two uploads the same request: the bytes, and everything said about them."""
    if idempotency is None:
        return None
    description = said.description
    fields = (
        description.title,
        description.filename,
        sorted(description.metadata.items()),
        said.index_mode,
        said.audit_mode,
        said.approval_acr,
        *([] if said.language is None else [said.language]),
    )
    return replace(
        idempotency, request_hash=hashlib.sha256(repr(fields).encode() + content_hash).digest()
    )
