"""Read a version's bytes or its extracted text, through the gate."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass

from application.ports import Cipher, Leases, Release, ReleaseFailures, ReleaseGate
from application.vault.asked_version import asked_version
from application.vault.ports import Blobs, Documents, content_context
from domain.identity import (
    Action,
    BlobId,
    Caller,
    DocumentId,
    PersonId,
    Purpose,
    ResourceKind,
    VersionRef,
)
from domain.vault.document import Document, DocumentNotFound, TextNotReady, Version
from domain.vault.schema import SchemaRef
from domain.vault.text_commitment import text_key

TEXT_TYPE = "text/plain; charset=utf-8"
_TEXT = b"text"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenContent:
    """Plaintext that can be read in any range; `length` in bytes."""

    version: VersionRef
    schema: SchemaRef | None
    media_type: str
    length: int
    release: Release
    _caller: Caller
    _owner_id: PersonId
    _blob: BlobId
    _part: bytes
    _sealed_length: int
    _blobs: Blobs
    _cipher: Cipher
    _leases: Leases
    _failures: ReleaseFailures

    @property
    def text_key(self) -> bytes | None:
        """Opens the commitment to the text that this is all of; None for the bytes of a file."""
        if self._part != _TEXT:
            return None
        return text_key(self.release.opened[self.version].content.secret)

    def held(self) -> AbstractAsyncContextManager[None]:
        """Show the content to somebody inside of this: it ends with the grant, see `Leases`.

        For owners nothing ends.
        """
        if self.release.opened[self.version].grant_id is None:
            return nullcontext()
        return self._leases.hold(
            caller=self._caller, release_id=self.release.id, version=self.version
        )

    def watched(self) -> AbstractAsyncContextManager[None]:
        """What fails inside is logged as the failure of the release: see `ReleaseFailures`."""
        return self._failures.logged(self._caller, [self.release.id])

    async def read(self, start: int, end: int) -> AsyncGenerator[bytes]:
        """The bytes [start, end), each chunk verified before it is yielded.

        What does not open is logged, also in the middle. That a reader goes away is not.
        """
        async with self.watched(), aclosing(self._opened(start, end)) as pieces:
            async for piece in pieces:
                yield piece

    def _opened(self, start: int, end: int) -> AsyncGenerator[bytes]:
        tenant_id = self._caller.tenant_id
        return self._cipher.open_stream(
            self.release.opened[self.version].content,
            lambda a, b: self._blobs.read(tenant_id, self._blob, a, b),
            content_context(tenant_id, self._owner_id, self.version, self._part),
            sealed_length=self._sealed_length,
            start=start,
            end=end,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadContent:
    """One release, one version, its bytes or its text."""

    documents: Documents
    blobs: Blobs
    cipher: Cipher
    gate: ReleaseGate
    failures: ReleaseFailures
    leases: Leases

    async def __call__(
        self,
        *,
        caller: Caller,
        document_id: DocumentId,
        purpose: Purpose,
        version: int | None = None,
        text: bool = False,
        action: Action = Action.READ,
        kind: ResourceKind = ResourceKind.DOCUMENT,
        document: Document | None = None,
    ) -> OpenContent:
        """Raises NotFound for what does not exist or may not be seen: one path for both.

        Whoever has looked at the `document` already hands it in.
        """
        document = document or await self.documents.find(caller, document_id)
        ref = asked_version(document_id, document, kind, version)
        found = None if document is None else await self.documents.version(caller, ref)
        release = await self.gate(caller=caller, action=action, purpose=purpose, versions=[ref])
        if document is None or found is None or release.opened[ref].fields is not None:
            raise DocumentNotFound
        blob = _blob_of(found, text=text)
        async with self.failures.logged(caller, [release.id]):
            sealed_length = await self.blobs.length(caller.tenant_id, blob)
            if sealed_length is None:  # erased since
                raise DocumentNotFound
        return OpenContent(
            version=ref,
            schema=found.schema,
            media_type=TEXT_TYPE if text else found.media_type,
            length=self.cipher.plain_length(sealed_length),
            release=release,
            _caller=caller,
            _owner_id=document.owner_id,
            _blob=blob,
            _part=_TEXT if text else b"content",
            _sealed_length=sealed_length,
            _blobs=self.blobs,
            _cipher=self.cipher,
            _leases=self.leases,
            _failures=self.failures,
        )


def _blob_of(version: Version, *, text: bool) -> BlobId:
    if not text:
        return version.content_blob
    if version.text_blob is None:
        raise TextNotReady
    return version.text_blob
