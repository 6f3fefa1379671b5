"""Read a record through the gate: all of it, or the fields that one was granted."""

from __future__ import annotations

from dataclasses import dataclass

from application.ports import Cipher, ReleaseFailures, ReleaseGate
from application.vault.asked_version import asked_version
from application.vault.descriptions import Descriptions
from application.vault.ports import Blobs, Documents, content_context
from domain.identity import Action, Caller, DocumentId, Purpose, ResourceKind
from domain.json_pointer import Json, Pointers, select
from domain.vault.document import Document, Version
from domain.vault.record import RecordNotFound, content_of


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRecord:
    """A version of a record as far as one may see it.

    `fields` are the JSON Pointers that were shown; None: everything. Its title may tell what is
    in fields that were not, so it is None then.
    """

    document: Document
    version: Version
    title: str | None
    content: Json
    fields: Pointers | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRecord:
    """One release, one version. What is not selected is dropped before anything leaves."""

    documents: Documents
    blobs: Blobs
    cipher: Cipher
    descriptions: Descriptions
    gate: ReleaseGate
    failures: ReleaseFailures

    async def __call__(
        self,
        *,
        caller: Caller,
        record_id: DocumentId,
        purpose: Purpose,
        version: int | None = None,
        fields: Pointers | None = None,
        action: Action = Action.READ,
    ) -> OpenRecord:
        """`fields` asks for some parts, by their JSON Pointers; None: for all that may be had.

        Raises NotFound for what does not exist or may not be seen: one path for both.
        """
        document = await self.documents.find(caller, record_id)
        ref = asked_version(record_id, document, ResourceKind.RECORD, version)
        found = None if document is None else await self.documents.version(caller, ref)
        release = await self.gate(
            caller=caller,
            action=action,
            purpose=purpose,
            versions=[ref],
            fields=None if fields is None else {ref: fields},
        )
        if document is None or found is None:
            raise RecordNotFound
        async with self.failures.logged(caller, [release.id]):
            opened = release.opened[ref]
            sealed_length = await self.blobs.length(caller.tenant_id, found.content_blob)
            if sealed_length is None:  # erased since
                raise RecordNotFound
            pieces = self.cipher.open_stream(
                opened.content,
                lambda start, end: self.blobs.read(
                    caller.tenant_id, found.content_blob, start, end
                ),
                content_context(caller.tenant_id, document.owner_id, ref, b"content"),
                sealed_length=sealed_length,
                start=0,
                end=self.cipher.plain_length(sealed_length),
            )
            content: Json = dict(content_of(b"".join([piece async for piece in pieces])))
            title = None
            if opened.fields is None:
                title = self.descriptions.open(document, opened.metadata, caller.tenant_id).title
            else:
                content = select(content, opened.fields)
        return OpenRecord(
            document=document, version=found, title=title, content=content, fields=opened.fields
        )
