"""What one's collections are called, and what is in those one may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from application.ports import Cipher, OwnKeys
from application.vault.ports import Collections, collection_context
from domain.identity import Caller, CollectionId
from domain.vault.collection import Collection, CollectionNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedCollection:
    """A collection and what its owner calls it."""

    collection: Collection
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeCollections:
    """Titles are their owner's: who is granted a collection sees what is in it, by id."""

    collections: Collections
    own_keys: OwnKeys
    cipher: Cipher

    async def one(self, *, caller: Caller, collection_id: CollectionId) -> DescribedCollection:
        """Raises CollectionNotFound unless the caller owns it."""
        found = await self.collections.find(caller, collection_id)
        described = [] if found is None else await self._described(caller, [found])
        if not described:
            raise CollectionNotFound
        return described[0]

    async def owned(
        self, *, caller: Caller, after: CollectionId | None, limit: int
    ) -> Sequence[DescribedCollection]:
        found = await self.collections.owned(caller, after=after, limit=limit)
        return await self._described(caller, found)

    async def _described(
        self, caller: Caller, found: Sequence[Collection]
    ) -> list[DescribedCollection]:
        keys = await self.own_keys(caller=caller, resources=[each.id for each in found])
        described = []
        for each in found:
            if each.id in keys:  # not another's, and not deleted between the two looks
                context = collection_context(caller.tenant_id, each.owner_id, each.id)
                title = self.cipher.open(keys[each.id], each.sealed_title, context).decode()
                described.append(DescribedCollection(collection=each, title=title))
        return described
