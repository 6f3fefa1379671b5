"""What every VectorStore keeps to. Subclass VectorStoreContract in a test module, with one fixture:

    class TestMyStore(VectorStoreContract):
        @pytest.fixture
        async def store(self) -> AsyncIterator[VectorStore]:
            ...

The fixture gives a store of the test's own, of 8 dimensions, that is not prepared yet.
The tests are coroutines: run them with pytest-asyncio, `asyncio_mode = "auto"`.
"""

from __future__ import annotations

import asyncio
import math
import random
from array import array
from collections.abc import Collection, Sequence
from uuid import uuid4

from application.retrieval.embedder import Vector
from application.retrieval.vector_store import StoredVector, VectorStore
from domain.identity import Caller, DocumentId, PersonId, TenantId

DIMENSIONS = 8
MODEL = "contract-1"


class VectorStoreContract:
    """Uses the fixture `store`."""

    async def test_it_says_whether_it_was_made_just_now(self, store: VectorStore) -> None:
        assert [await store.prepare() for _ in range(3)] == [True, False, False]

    async def test_the_nearest_come_first_of_ones_own_and_of_what_is_shared_and_of_nothing_else(
        self, store: VectorStore
    ) -> None:
        await store.prepare()
        chance = _dice(20_261_129)
        tenant = TenantId(uuid4())
        asha, ben = _person(tenant), _person(tenant)
        elsewhere = Caller(tenant_id=TenantId(uuid4()), person_id=ben.person_id)
        documents = {}
        for number, owner in enumerate([asha, asha, ben, ben, elsewhere] * 3):
            vectors = _vectors(chance, first=1 + 100 * number, count=5)
            documents[DocumentId(uuid4())] = (owner, vectors)
        for document, (owner, vectors) in documents.items():
            await store.replace(owner, document, vectors)
        shared = [each for each, (owner, _) in documents.items() if owner is asha][:2]
        visible = {each for each, (owner, _) in documents.items() if owner is ben} | set(shared)
        for only in (None, [*shared, *documents][:4]):
            for limit in (1, 7, 1_000):
                vector = _unit(chance)
                found = await _nearest(store, ben, vector, shared, only, limit)
                wanted = sorted(
                    (-_product(vector, each.vector), each.passage)
                    for document, (_, vectors) in documents.items()
                    if document in visible and (only is None or document in only)
                    for each in vectors
                )
                assert found == [passage for _, passage in wanted[:limit]]

    async def test_a_document_has_what_it_was_given_last(self, store: VectorStore) -> None:
        await store.prepare()
        chance, asha = _dice(1), _person()
        document, other = DocumentId(uuid4()), DocumentId(uuid4())
        kept = _vectors(chance, first=900, count=2)
        await store.replace(asha, other, kept)
        versions = [
            _vectors(chance, first=1, count=3),
            _vectors(chance, first=3, count=4),  # of passage 3 another vector
            _vectors(chance, first=300, count=600),
            [],
        ]
        for vectors in (*versions, versions[0], versions[0]):
            await store.replace(asha, document, vectors)
            found = await _nearest(store, asha, _unit(chance), [], [document], 2_000)
            assert sorted(found) == [each.passage for each in vectors]
        found = await _nearest(store, asha, _unit(chance), [], [other], 10)
        assert sorted(found) == [each.passage for each in kept]

    async def test_of_another_tenant_nothing_is_replaced_and_nothing_shared(
        self, store: VectorStore
    ) -> None:
        await store.prepare()
        chance, asha, stranger = _dice(2), _person(), _person()
        document = DocumentId(uuid4())
        await store.replace(asha, document, _vectors(chance, first=1, count=3))
        await store.replace(stranger, document, [])
        assert len(await _nearest(store, asha, _unit(chance), [], None, 10)) == 3
        assert await _nearest(store, stranger, _unit(chance), [document], [document], 10) == []

    async def test_vectors_of_another_model_are_not_compared(self, store: VectorStore) -> None:
        await store.prepare()
        chance, asha = _dice(3), _person()
        await store.replace(asha, DocumentId(uuid4()), _vectors(chance, first=1, count=3))
        other = await store.nearest(asha, _unit(chance), "another", shared=[], only=None, limit=10)
        assert list(other) == []

    async def test_cleared_it_holds_nothing_and_goes_on(self, store: VectorStore) -> None:
        await store.prepare()
        chance, asha, document = _dice(4), _person(), DocumentId(uuid4())
        await store.replace(asha, document, _vectors(chance, first=1, count=3))
        await store.clear()
        assert await _nearest(store, asha, _unit(chance), [], None, 10) == []
        await store.replace(asha, document, _vectors(chance, first=1, count=2))
        assert len(await _nearest(store, asha, _unit(chance), [], None, 10)) == 2

    async def test_a_long_list_of_what_is_shared_is_taken(self, store: VectorStore) -> None:
        await store.prepare()
        chance, asha, ben = _dice(5), _person(), _person()
        ben = Caller(tenant_id=asha.tenant_id, person_id=ben.person_id)
        document = DocumentId(uuid4())
        await store.replace(asha, document, _vectors(chance, first=1, count=3))
        shared = [*(DocumentId(uuid4()) for _ in range(5_000)), document]
        assert len(await _nearest(store, ben, _unit(chance), shared, None, 10)) == 3

    async def test_it_goes_on_after_a_call_was_given_up(self, store: VectorStore) -> None:
        await store.prepare()
        chance, asha, document = _dice(6), _person(), DocumentId(uuid4())
        vectors = _vectors(chance, first=1, count=3)
        call = asyncio.ensure_future(store.replace(asha, document, vectors))
        await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        await store.replace(asha, document, vectors)
        assert len(await _nearest(store, asha, _unit(chance), [], None, 10)) == 3


async def _nearest(
    store: VectorStore,
    caller: Caller,
    vector: Vector,
    shared: Collection[DocumentId],
    only: Collection[DocumentId] | None,
    limit: int,
) -> list[int]:
    return list(await store.nearest(caller, vector, MODEL, shared=shared, only=only, limit=limit))


def _dice(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - nothing is kept secret by it


def _person(tenant_id: TenantId | None = None) -> Caller:
    return Caller(tenant_id=tenant_id or TenantId(uuid4()), person_id=PersonId(uuid4()))


def _vectors(chance: random.Random, *, first: int, count: int) -> Sequence[StoredVector]:
    return [
        StoredVector(passage=number, model=MODEL, vector=_unit(chance))
        for number in range(first, first + count)
    ]


def _unit(chance: random.Random) -> Vector:
    numbers = [chance.gauss(0, 1) for _ in range(DIMENSIONS)]
    length = math.sqrt(sum(each * each for each in numbers))
    return array("f", (each / length for each in numbers))


def _product(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
