"""Collections over HTTP: things that are shared as one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from application.vault.describe_collections import DescribeCollections, DescribedCollection
from application.vault.keep_collections import (
    AddCollection,
    DeleteCollection,
    PutInCollection,
    RenameCollection,
    TakeFromCollection,
)
from application.vault.ports import Collections, EndedSharing
from domain.identity import Caller, CollectionId, DocumentId, ResourceKind
from domain.vault.collection import CollectionItem, CollectionNotFound
from domain.vault.document import TITLE_LENGTH_MAX
from entrypoints.http.access import WITH_GRANT_TOKEN
from entrypoints.http.idempotency import IdempotencyKey, idempotency_of
from entrypoints.http.injected import Injected
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of

EXAMPLE = {"title": "For the clinic"}


class CollectionNamed(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What its owner calls it. Nobody else sees that."""

    title: Annotated[str, Meta(min_length=1, max_length=TITLE_LENGTH_MAX)]


class CollectionShown(msgspec.Struct, kw_only=True):
    """A collection, for its owner."""

    id: UUID
    owner_id: UUID
    title: str
    item_count: int
    created_at: datetime


class CollectionItemShown(msgspec.Struct, kw_only=True):
    """A document or a record that is in it."""

    id: UUID
    kind: ResourceKind
    added_at: datetime


class PutShown(msgspec.Struct, kw_only=True):
    """Under how many grants it falls by being in the collection, present and to come."""

    open_grants: int


class EndedSharingShown(msgspec.Struct, kw_only=True):
    """What ended with it. Nothing is shown under the collection once this is answered."""

    grants_closed: int
    runs_stopped: int
    answers_hidden: int


class CollectionsController(Controller):
    """/v1/collections"""

    path = "/v1/collections"
    tags = ("Collections",)

    @post(status_code=201, opt={"example": EXAMPLE})
    async def add_collection(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        add_collection: Injected[AddCollection],
        describe_collections: Injected[DescribeCollections],
        data: JSONBody[CollectionNamed],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[CollectionShown]:
        """Begin a collection. It is shared by a grant on it, with what is in it at the time."""
        made = await add_collection(
            caller=caller,
            title=data.title,
            idempotency=idempotency_of(request, idempotency_key, data),
        )
        described = await describe_collections.one(caller=caller, collection_id=made)
        return Response(_shown(described), headers={"Location": f"{self.path}/{made}"})

    @get()
    async def list_collections(
        self,
        caller: Injected[Caller],
        describe_collections: Injected[DescribeCollections],
        cursors: Injected[Cursors],
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[CollectionShown]:
        """One's own collections, in the order in which they were begun."""
        after = cursors.open(cursor, of="collections", tenant_id=caller.tenant_id)
        found = await describe_collections.owned(
            caller=caller,
            after=CollectionId(UUID(str(after[0]))) if after else None,
            limit=limit + 1,
        )
        return page_of(
            found,
            limit=limit,
            show=_shown,
            position=lambda each: (str(each.collection.id),),
            cursors=cursors,
            of="collections",
            tenant_id=caller.tenant_id,
        )

    @get("/{collection_id:uuid}")
    async def get_collection(
        self,
        caller: Injected[Caller],
        describe_collections: Injected[DescribeCollections],
        collection_id: FromPath[UUID],
    ) -> CollectionShown:
        """One of one's own collections."""
        return _shown(
            await describe_collections.one(caller=caller, collection_id=CollectionId(collection_id))
        )

    @patch("/{collection_id:uuid}", opt={"example": EXAMPLE})
    async def rename_collection(
        self,
        caller: Injected[Caller],
        rename_collection: Injected[RenameCollection],
        describe_collections: Injected[DescribeCollections],
        collection_id: FromPath[UUID],
        data: JSONBody[CollectionNamed],
    ) -> CollectionShown:
        """Call it something else."""
        renamed = CollectionId(collection_id)
        await rename_collection(caller=caller, collection_id=renamed, title=data.title)
        return _shown(await describe_collections.one(caller=caller, collection_id=renamed))

    @delete("/{collection_id:uuid}", status_code=200)
    async def delete_collection(
        self,
        caller: Injected[Caller],
        delete_collection: Injected[DeleteCollection],
        collection_id: FromPath[UUID],
    ) -> EndedSharingShown:
        """End a collection and the grants on it. What was in it stays."""
        ended = await delete_collection(caller=caller, collection_id=CollectionId(collection_id))
        return _ended(ended)

    @get("/{collection_id:uuid}/items", opt=WITH_GRANT_TOKEN)
    async def list_items(
        self,
        caller: Injected[Caller],
        collections: Injected[Collections],
        cursors: Injected[Cursors],
        collection_id: FromPath[UUID],
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[CollectionItemShown]:
        """What is in it, for its owner and for whoever it is granted to."""
        of = f"items {collection_id}"
        after = cursors.open(cursor, of=of, tenant_id=caller.tenant_id)
        found = await collections.items(
            caller,
            CollectionId(collection_id),
            after=DocumentId(UUID(str(after[0]))) if after else None,
            limit=limit + 1,
        )
        if found is None:
            raise CollectionNotFound
        return page_of(
            found,
            limit=limit,
            show=_item_shown,
            position=lambda each: (str(each.document_id),),
            cursors=cursors,
            of=of,
            tenant_id=caller.tenant_id,
        )

    @put("/{collection_id:uuid}/items/{document_id:uuid}")
    async def put_item(
        self,
        caller: Injected[Caller],
        put_in_collection: Injected[PutInCollection],
        collection_id: FromPath[UUID],
        document_id: FromPath[UUID],
    ) -> PutShown:
        """Put a document or a record of one's own in: who is granted the collection has it now."""
        open_grants = await put_in_collection(
            caller=caller,
            collection_id=CollectionId(collection_id),
            document_id=DocumentId(document_id),
        )
        return PutShown(open_grants=open_grants)

    @delete("/{collection_id:uuid}/items/{document_id:uuid}", status_code=200)
    async def take_item_out(
        self,
        caller: Injected[Caller],
        take_from_collection: Injected[TakeFromCollection],
        collection_id: FromPath[UUID],
        document_id: FromPath[UUID],
    ) -> EndedSharingShown:
        """Take it out: nothing of it is shown under the collection once this is answered."""
        ended = await take_from_collection(
            caller=caller,
            collection_id=CollectionId(collection_id),
            document_id=DocumentId(document_id),
        )
        return _ended(ended)


def _shown(described: DescribedCollection) -> CollectionShown:
    collection = described.collection
    return CollectionShown(
        id=collection.id,
        owner_id=collection.owner_id,
        title=described.title,
        item_count=collection.item_count,
        created_at=collection.created_at,
    )


def _item_shown(item: CollectionItem) -> CollectionItemShown:
    return CollectionItemShown(id=item.document_id, kind=item.kind, added_at=item.added_at)


def _ended(ended: EndedSharing) -> EndedSharingShown:
    return EndedSharingShown(
        grants_closed=ended.grants_closed,
        runs_stopped=ended.runs_stopped,
        answers_hidden=ended.answers_hidden,
    )
