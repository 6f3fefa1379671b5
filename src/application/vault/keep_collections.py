"""Collections: begin one, name it, put things in and take them out, end it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from application.ports import Cipher, EndingsKept, Idempotency, LogWritable, NewId, OwnKeys
from application.vault.ports import (
    Collections,
    CollectionTransaction,
    EndedSharing,
    collection_context,
)
from domain.errors import StepUpRequired
from domain.identity import Acr, Caller, CollectionId, DocumentId
from domain.vault.collection import Collection, CollectionNotFound, assert_title
from domain.vault.document import DocumentNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCollection:
    """A new collection, empty, with a title sealed under a key of its own."""

    collections: Collections
    log_writable: LogWritable
    cipher: Cipher
    new_id: NewId

    async def __call__(
        self, *, caller: Caller, title: str, idempotency: Idempotency | None = None
    ) -> CollectionId:
        """Repeated with the same idempotency key it returns the collection of the first time."""
        assert_title(title)
        await self.log_writable()
        fresh, key = CollectionId(self.new_id()), self.cipher.new_key()
        context = collection_context(caller.tenant_id, caller.person_id, fresh)
        async with self.collections.begin(caller) as tx:
            claimed = CollectionId(await tx.claim(idempotency, fresh))
            if claimed == fresh:
                collection = Collection(
                    id=fresh,
                    owner_id=caller.person_id,
                    sealed_title=self.cipher.seal(key, title.encode(), context),
                    item_count=0,
                    created_at=await tx.now(),
                )
                await tx.add(collection, key)
        return claimed


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameCollection:
    """Grants are about the collection, whatever it is called."""

    collections: Collections
    own_keys: OwnKeys
    cipher: Cipher

    async def __call__(self, *, caller: Caller, collection_id: CollectionId, title: str) -> None:
        """Raises CollectionNotFound unless the caller owns it."""
        assert_title(title)
        keys = await self.own_keys(caller=caller, resources=[collection_id])
        if collection_id not in keys:
            raise CollectionNotFound
        context = collection_context(caller.tenant_id, caller.person_id, collection_id)
        sealed = self.cipher.seal(keys[collection_id], title.encode(), context)
        async with self.collections.begin(caller) as tx:
            collection = await _own(tx, caller, collection_id)
            await tx.rename(replace(collection, sealed_title=sealed))


@dataclass(frozen=True, slots=True, kw_only=True)
class PutInCollection:
    """From now on everybody who was granted the collection may have it."""

    collections: Collections

    async def __call__(
        self, *, caller: Caller, collection_id: CollectionId, document_id: DocumentId
    ) -> int:
        """Under how many open grants it falls by that. Putting it in again changes nothing.

        Raises CollectionNotFound and DocumentNotFound unless the caller owns both, and
        StepUpRequired where what is put in demands a second factor of who gives access to it.
        """
        async with self.collections.begin(caller) as tx:
            await _own(tx, caller, collection_id)
            document = await tx.document(document_id)
            if document is None or document.owner_id != caller.person_id:
                raise DocumentNotFound
            sharing = await tx.open_grants(collection_id)
            if sharing and document.approval_acr is Acr.MFA and caller.acr is not Acr.MFA:
                raise StepUpRequired
            await tx.put(collection_id, document_id, shared_under=sharing)
        return sharing


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeFromCollection:
    """Nothing more is shown of it under a grant on the collection, once this is acknowledged."""

    collections: Collections
    endings_kept: EndingsKept

    async def __call__(
        self, *, caller: Caller, collection_id: CollectionId, document_id: DocumentId
    ) -> EndedSharing:
        """What was being shown and what had been answered from it is taken back, as a withdrawal
        takes it. Raises CollectionNotFound unless the caller owns it, and DocumentNotFound for
        what is not in it."""
        async with self.collections.begin(caller) as tx:
            await _own(tx, caller, collection_id)
            ended = await tx.take_out(collection_id, document_id)
            if ended is None:
                raise DocumentNotFound
        await self.endings_kept()
        return ended


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteCollection:
    """Its grants end; what was in it stays its owner's."""

    collections: Collections
    endings_kept: EndingsKept

    async def __call__(self, *, caller: Caller, collection_id: CollectionId) -> EndedSharing:
        """Raises CollectionNotFound unless the caller owns it."""
        async with self.collections.begin(caller) as tx:
            await _own(tx, caller, collection_id)
            ended = await tx.delete(collection_id)
        await self.endings_kept()
        return ended


async def _own(
    tx: CollectionTransaction, caller: Caller, collection_id: CollectionId
) -> Collection:
    collection = await tx.collection(collection_id)
    if collection is None or collection.owner_id != caller.person_id:
        raise CollectionNotFound
    return collection
