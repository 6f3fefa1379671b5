"""Stores of vectors: Qdrant by its client's local mode, and the one in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from qdrant_client import AsyncQdrantClient

from adapters.contracts.vector_store import DIMENSIONS, VectorStoreContract
from adapters.memory.vector_store import MemoryVectorStore
from adapters.qdrant.vector_store import QdrantVectorStore, qdrant_client
from application.retrieval.vector_store import VectorStore, VectorStoreUnavailable


class TestMemoryVectorStore(VectorStoreContract):
    @pytest.fixture
    def store(self) -> VectorStore:
        return MemoryVectorStore()


class TestQdrantVectorStore(VectorStoreContract):
    @pytest.fixture
    async def store(self) -> AsyncIterator[VectorStore]:
        client = AsyncQdrantClient(location=":memory:")
        yield QdrantVectorStore(client=client, dimensions=DIMENSIONS, is_local=True)
        await client.close()


async def test_a_server_that_is_not_there_is_an_outage() -> None:
    store = QdrantVectorStore(
        client=qdrant_client("http://127.0.0.1:1", None, 1.0), dimensions=DIMENSIONS
    )
    with pytest.raises(VectorStoreUnavailable) as outage:
        await store.prepare()
    assert outage.value.__cause__ is None
    await store.close()
