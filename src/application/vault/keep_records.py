"""Records: hand one in, patch it, replace it. To the vault they are documents of a kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from application.ports import Cipher, DataKey, Idempotency, NewId
from application.vault.add_document import index_job
from application.vault.descriptions import Descriptions
from application.vault.own_document import own_document
from application.vault.ports import (
    INDEX_VERSION,
    Blobs,
    Documents,
    SchemaChecker,
    Schemas,
    VaultTransaction,
    content_context,
)
from application.vault.read_record import ReadRecord
from domain.errors import Invalid
from domain.identity import (
    PERSONAL_USE,
    Acr,
    BlobId,
    Caller,
    DocumentId,
    ResourceKind,
    VersionRef,
)
from domain.json_pointer import Json
from domain.vault.document import AuditMode, Description, Document, IndexMode, Version
from domain.vault.record import (
    MEDIA_TYPE,
    NotARecord,
    RecordNotFound,
    assert_valid,
    merged,
    stored_form,
)
from domain.vault.schema import Schema, SchemaRef


class SchemaUnknown(Invalid):
    """There is no such schema, or no such version of it."""

    code = "schema_unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDetails:
    """What is said about a record when it is handed in. `title` None: that of its schema."""

    schema_name: str
    schema_version: int | None = None
    title: str | None = None
    index_mode: IndexMode = IndexMode.CLEAR
    audit_mode: AuditMode = AuditMode.COMMITTED
    approval_acr: Acr = Acr.PASSWORD


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRecords:
    """Seals a record's content as one version. Nothing is stored that its schema does not allow."""

    documents: Documents
    blobs: Blobs
    schemas: Schemas
    checker: SchemaChecker
    read_record: ReadRecord
    cipher: Cipher
    descriptions: Descriptions
    new_id: NewId

    async def add(
        self,
        *,
        caller: Caller,
        content: Mapping[str, Json],
        details: RecordDetails,
        idempotency: Idempotency | None = None,
    ) -> DocumentId:
        """Repeated with the same idempotency key it returns the record of the first time.

        Raises SchemaUnknown, RecordNotValid with pointers below /data, and RecordTooLarge.
        """
        stored = stored_form(content)
        schema = await self._schema(caller, details.schema_name, details.schema_version)
        assert_valid(await self.checker.faults_of(dict(content), schema.body), "/data")
        ref = VersionRef(document_id=DocumentId(self.new_id()), version=1)
        content_key, metadata_key = self.cipher.new_key(), self.cipher.new_key()
        description = Description(title=details.title or schema.title or schema.ref.name)
        blob = BlobId(self.new_id())
        await self._write(caller, ref, blob, stored, content_key)
        kept = False
        try:
            async with self.documents.begin(caller) as tx:
                claimed = await tx.claim(idempotency, ref.document_id)
                if claimed == ref.document_id:
                    now = await tx.now()
                    document = Document(
                        id=ref.document_id,
                        owner_id=caller.person_id,
                        kind=ResourceKind.RECORD,
                        current=_version(ref, blob, stored, schema.ref, now),
                        searchable_version=None,
                        index_mode=details.index_mode,
                        audit_mode=details.audit_mode,
                        approval_acr=details.approval_acr,
                        sealed_description=self.descriptions.seal(
                            description,
                            metadata_key,
                            caller.tenant_id,
                            caller.person_id,
                            ref.document_id,
                        ),
                        created_at=now,
                        updated_at=now,
                    )
                    await tx.add(document, content_key=content_key, metadata_key=metadata_key)
                    await tx.jobs.enqueue(INDEX_VERSION, index_job(caller, ref))
                    kept = True
        finally:
            if not kept:
                await self.blobs.discard(caller.tenant_id, blob)
        return DocumentId(claimed)

    async def patch(
        self,
        *,
        caller: Caller,
        record_id: DocumentId,
        expected_version: int | None,
        patch: Json,
        schema_version: int | None = None,
    ) -> None:
        """A merge patch (RFC 7396) of the version that it names, None being whichever is current:
        the next version.

        `schema_version` moves the record to another version of its schema. Raises RecordNotFound
        unless the caller owns it, PreconditionFailed if it moved on, SchemaUnknown and
        RecordNotValid. Whoever does not own it reads nothing, and no use is taken.
        """
        before = await self._own(caller, record_id, expected_version)
        opened = await self.read_record(
            caller=caller,
            record_id=record_id,
            purpose=PERSONAL_USE,
            version=before.current.ref.version,
        )
        content = merged(opened.content, patch)
        if not isinstance(content, dict):
            raise NotARecord
        followed = before.current.schema
        assert followed is not None
        schema = await self._schema(
            caller,
            followed.name,
            schema_version or followed.version,
            version_field="/query/schema_version",
        )
        await self._replace(caller, before, content, schema)

    async def _replace(
        self, caller: Caller, before: Document, content: Mapping[str, Json], schema: Schema
    ) -> None:
        stored = stored_form(content)
        assert_valid(await self.checker.faults_of(dict(content), schema.body), "")
        expected = before.current.ref.version
        ref = VersionRef(document_id=before.id, version=expected + 1)
        key, blob = self.cipher.new_key(), BlobId(self.new_id())
        await self._write(caller, ref, blob, stored, key)
        try:
            async with self.documents.begin(caller) as tx:
                await _expected(tx, caller, before.id, expected)
                await tx.replace(
                    _version(ref, blob, stored, schema.ref, await tx.now()), content_key=key
                )
                await tx.jobs.enqueue(INDEX_VERSION, index_job(caller, ref))
        except BaseException:
            await self.blobs.discard(caller.tenant_id, blob)
            raise

    async def _own(self, caller: Caller, record_id: DocumentId, expected: int | None) -> Document:
        async with self.documents.begin(caller) as tx:
            return await _expected(tx, caller, record_id, expected)

    async def _schema(
        self,
        caller: Caller,
        name: str,
        version: int | None,
        *,
        version_field: str = "/schema_version",
    ) -> Schema:
        """Raises SchemaUnknown, naming what is to blame: the name, or a version that it lacks."""
        schema = await self.schemas.find(caller, name, version=version)
        if schema is None:
            newest = None if version is None else await self.schemas.find(caller, name)
            raise SchemaUnknown(field="/schema" if newest is None else version_field)
        return schema

    async def _write(
        self, caller: Caller, ref: VersionRef, blob: BlobId, stored: bytes, key: DataKey
    ) -> None:
        context = content_context(caller.tenant_id, caller.person_id, ref, b"content")
        await self.blobs.write(caller, blob, self.cipher.seal_stream(key, _once(stored), context))


def _version(
    ref: VersionRef, blob: BlobId, stored: bytes, schema: SchemaRef, now: datetime
) -> Version:
    return Version(
        ref=ref,
        media_type=MEDIA_TYPE,
        content_length=len(stored),
        content_blob=blob,
        schema=schema,
        created_at=now,
    )


async def _expected(
    tx: VaultTransaction, caller: Caller, record_id: DocumentId, expected_version: int | None
) -> Document:
    return await own_document(
        tx,
        caller,
        record_id,
        ResourceKind.RECORD,
        missing=RecordNotFound,
        expected_version=expected_version,
    )


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
