"""What retrieval needs of the vault: a version's content, and a place for its text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from application.ports import Cipher, DataKey, NewId
from application.retrieval.ports import OpenContent
from application.vault.descriptions import Descriptions
from application.vault.ports import Blobs, Documents, Schemas, content_context
from application.vault.read_content import ReadContent
from domain.errors import NotFound
from domain.identity import PERSONAL_USE, Action, BlobId, Caller, VersionRef
from domain.retrieval.record_text import RecordField
from domain.retrieval.rejection import DocumentRejected
from domain.vault.record import content_of, searched_fields
from domain.vault.schema import Schema, SchemaRef
from domain.vault.text_commitment import text_commitment, text_key


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultContent:
    """`VersionContent`, read in the owner's name under a release of action `derive`."""

    documents: Documents
    blobs: Blobs
    read_content: ReadContent
    descriptions: Descriptions
    schemas: Schemas
    cipher: Cipher
    new_id: NewId
    bytes_max: int

    async def open(self, caller: Caller, version: VersionRef) -> OpenContent:
        """Raises DocumentRejected for content that is too large to be read in one piece."""
        document = await self.documents.find(caller, version.document_id)
        if document is None:
            raise NotFound
        content = await self.read_content(
            caller=caller,
            kind=document.kind,
            document_id=version.document_id,
            version=version.version,
            purpose=PERSONAL_USE,
            action=Action.DERIVE,
            document=document,
        )
        if content.length > self.bytes_max:
            raise DocumentRejected(
                f"The document is larger than {self.bytes_max:,} bytes, which is the most that "
                "is indexed. It is kept, and can be read."
            )
        keys = content.release.opened[version]
        async with content.watched():
            description = self.descriptions.open(document, keys.metadata, caller.tenant_id)
        whole = b"".join([piece async for piece in content.read(0, content.length)])
        schema = await self._schema(caller, content.schema)
        if schema is not None:
            found = searched_fields(schema.body, content_of(whole))
            return OpenContent(
                content=whole,
                fields=[
                    RecordField(pointer=each.pointer, labels=each.labels, text=each.text)
                    for each in found
                ],
                media_type=content.media_type,
                title=schema.title or schema.ref.name,
                key=keys.content,
            )
        return OpenContent(
            content=whole,
            media_type=content.media_type,
            title=description.title,
            language=document.language,
            key=keys.content,
        )

    async def _schema(self, caller: Caller, ref: SchemaRef | None) -> Schema | None:
        if ref is None:
            return None
        return await self.schemas.find(caller, ref.name, version=ref.version)

    async def keep_text(
        self, caller: Caller, version: VersionRef, text: bytes, key: DataKey
    ) -> None:
        blob = BlobId(self.new_id())
        context = content_context(caller.tenant_id, caller.person_id, version, b"text")
        await self.blobs.write(caller, blob, self.cipher.seal_stream(key, _once(text), context))
        commitment = text_commitment(text_key(key.secret), text)
        async with self.documents.begin(caller) as tx:
            document = await tx.document(version.document_id, lock=True)
            unused: BlobId | None = blob
            if document is not None:
                unused = await tx.keep_text(version, blob, commitment)
        if unused is not None:
            await self.blobs.discard(caller.tenant_id, unused)


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
