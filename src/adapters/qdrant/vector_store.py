"""Vectors in Qdrant. Its payload has ids alone; a vector says approximately what its text says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException

from application.retrieval.embedder import Vector
from application.retrieval.vector_store import StoredVector, VectorStoreUnavailable
from domain.identity import Caller, DocumentId

AT_ONCE = 256


def qdrant_client(url: str, key: str | None, seconds_max: float) -> AsyncQdrantClient:
    """No proxy from the environment, and nothing asked of the server before it is used."""
    return AsyncQdrantClient(
        url=url,
        api_key=key,
        timeout=max(1, round(seconds_max)),
        check_compatibility=False,
        trust_env=False,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class QdrantVectorStore:
    """`VectorStore`, in one collection for all tenants, which the filter of each query keeps apart.

    `seconds_max` bounds a query; what is written may take `write_seconds_max`. The client's local
    mode has no payload indexes (`is_local`).
    """

    client: AsyncQdrantClient = field(repr=False)
    dimensions: int
    collection: str = "strongroom"
    seconds_max: float = 1.0
    write_seconds_max: float = 30.0
    is_local: bool = False

    async def prepare(self) -> bool:
        async with _bounded(self.write_seconds_max):
            if await self.client.collection_exists(self.collection):
                if await self._size() == self.dimensions:
                    return False
                await self.client.delete_collection(self.collection)
            await self._make()
        return True

    async def clear(self) -> None:
        async with _bounded(self.write_seconds_max):
            await self.client.delete_collection(self.collection)
            await self._make()

    async def replace(
        self, owner: Caller, document_id: DocumentId, vectors: Sequence[StoredVector]
    ) -> None:
        payload = {
            "tenant": str(owner.tenant_id),
            "owner": str(owner.person_id),
            "document": str(document_id),
        }
        kept: list[models.Condition] = [
            models.HasIdCondition(has_id=[each.passage for each in vectors])
        ]
        others = models.Filter(
            must=[_is("tenant", payload["tenant"]), _is("document", payload["document"])],
            must_not=kept if vectors else None,
        )
        async with _bounded(self.write_seconds_max):
            await self.client.delete(
                self.collection, points_selector=models.FilterSelector(filter=others), wait=True
            )
            for first in range(0, len(vectors), AT_ONCE):
                points = [
                    models.PointStruct(
                        id=each.passage,
                        vector=each.vector.tolist(),
                        payload=payload | {"model": each.model},
                    )
                    for each in vectors[first : first + AT_ONCE]
                ]
                await self.client.upsert(self.collection, points=points, wait=True)

    async def nearest(
        self,
        caller: Caller,
        vector: Vector,
        model: str,
        *,
        shared: Collection[DocumentId],
        only: Collection[DocumentId] | None,
        limit: int,
    ) -> Sequence[int]:
        visible: list[models.Condition] = [_is("owner", str(caller.person_id))]
        if shared:
            visible.append(_any("document", shared))
        must: list[models.Condition] = [
            _is("tenant", str(caller.tenant_id)),
            _is("model", model),
            models.Filter(should=visible),
        ]
        if only is not None:
            must.append(_any("document", only))
        async with _bounded(self.seconds_max):
            found = await self.client.query_points(
                self.collection,
                query=vector.tolist(),
                query_filter=models.Filter(must=must),
                limit=limit,
                with_payload=False,
            )
        return [point.id for point in found.points if isinstance(point.id, int)]

    async def close(self) -> None:
        await self.client.close()

    async def _size(self) -> int | None:
        """How long its vectors are."""
        told = (await self.client.get_collection(self.collection)).config.params.vectors
        return told.size if isinstance(told, models.VectorParams) else None

    async def _make(self) -> None:
        await self.client.create_collection(
            self.collection,
            vectors_config=models.VectorParams(
                size=self.dimensions,
                distance=models.Distance.DOT,
                datatype=models.Datatype.FLOAT16,
                on_disk=True,
            ),
        )
        if self.is_local:
            return
        tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
        await self.client.create_payload_index(self.collection, "tenant", tenant)
        for name in ("owner", "document", "model"):
            await self.client.create_payload_index(
                self.collection, name, models.PayloadSchemaType.KEYWORD
            )


def _is(name: str, value: str) -> models.FieldCondition:
    return models.FieldCondition(key=name, match=models.MatchValue(value=value))


def _any(name: str, documents: Collection[DocumentId]) -> models.FieldCondition:
    return models.FieldCondition(
        key=name, match=models.MatchAny(any=[str(each) for each in sorted(documents)])
    )


@asynccontextmanager
async def _bounded(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except (ApiException, QdrantException, TimeoutError, OSError, ValueError):
        raise VectorStoreUnavailable from None  # the cause may quote what was sent
