"""A store of vectors beside the index: it follows, it may fail, and it is believed in nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field, replace

import pytest
from qdrant_client import AsyncQdrantClient

from adapters.memory.vector_store import MemoryVectorStore
from adapters.postgres.vector_changes import PostgresVectorChanges
from adapters.qdrant.vector_store import QdrantVectorStore
from application.retrieval.embedder import Vector
from application.retrieval.mirror_vectors import MirrorVectors
from application.retrieval.search import SearchPage
from application.retrieval.vector_store import StoredVector, VectorStore, VectorStoreUnavailable
from domain.identity import Action, Caller, DocumentId, VersionRef
from domain.retrieval.query import SearchMode, SearchQuery
from tests.integration.retrieval.library import EMBEDDER, Library

TEXTS = [
    f"The cedar number {number} stands beside the brook, {number} of them." for number in range(8)
]


@dataclass(slots=True)
class Wayward(MemoryVectorStore):
    """Names everything it ever heard of, and more, to everybody; and fails when told to."""

    fails: bool = False
    asked: int = 0
    more: list[int] = field(default_factory=list)

    async def replace(
        self, owner: Caller, document_id: DocumentId, vectors: Sequence[StoredVector]
    ) -> None:
        if self.fails:
            raise VectorStoreUnavailable
        await MemoryVectorStore.replace(self, owner, document_id, vectors)

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
        self.asked += 1
        if self.fails:
            raise VectorStoreUnavailable
        named = [each.passage for _, vectors in self.held.values() for each in vectors]
        return [*named, *named, *self.more]


@pytest.fixture
async def changes(library: Library) -> AsyncIterator[PostgresVectorChanges]:
    """Changes are noted, of whatever comes from now on."""
    changes = PostgresVectorChanges(engine=library.engine)
    await changes.begin(anew=False)
    yield changes
    await changes.cease()


@pytest.fixture
async def qdrant() -> AsyncIterator[VectorStore]:
    client = AsyncQdrantClient(location=":memory:")
    store = QdrantVectorStore(client=client, dimensions=384, is_local=True)
    await store.prepare()
    yield store
    await client.close()


async def test_what_is_found_through_qdrant_is_what_is_found_without(
    library: Library, changes: PostgresVectorChanges, qdrant: VectorStore
) -> None:
    asha, ben = await library.person(), await library.person()
    for number, words in enumerate(TEXTS):
        ref = await library.add(asha, words)
        if number % 2:
            await library.share(asha, ref, ben)
        await library.add(ben, words.replace("cedar", "willow"))
    await _mirror(changes, qdrant)
    for person in (asha, ben):
        for only in (None, frozenset({ref.document_id})):
            with_it = await _search(library, person, qdrant, only=only)
            without = await _search(library, person, None, only=only)
            assert _told(with_it) == _told(without)
            assert with_it.degraded == without.degraded == []
            assert len(with_it.hits) > 0


async def test_what_it_names_is_judged_again(
    library: Library, changes: PostgresVectorChanges
) -> None:
    asha, ben = await library.person(), await library.person()
    store = Wayward(more=[0, -1, 2**62])
    hidden = await library.add(asha, TEXTS[0])
    ended = await library.add(asha, TEXTS[1])
    grant = await library.share(asha, ended, ben)
    own = await library.add(ben, TEXTS[2])
    await _mirror(changes, store)
    assert await _found(library, ben, store) == {
        ended.document_id,
        own.document_id,
    }
    await library.container.revoke_grant()(caller=asha, grant_id=grant.id)
    page = await _search(library, ben, store)
    assert {hit.passage.version for hit in page.hits} == {own}
    assert page.visible == 1
    assert page.degraded == []
    assert store.asked == 2
    assert hidden.document_id in {document for _, document in store.held}  # it was named


async def test_the_statement_keeps_what_is_visible_and_the_gate_is_not_needed_for_it(
    library: Library,
) -> None:
    asha, ben, stranger = [await library.person() for _ in range(3)]
    shared = await library.add(asha, TEXTS[0])
    await library.share(asha, shared, ben)
    own = await library.add(ben, TEXTS[1])
    for owner in (asha, stranger):
        await library.add(owner, TEXTS[2])
    rows = await library.run("SELECT id FROM passages WHERE tenant_id = :tenant")
    assert len(rows) == 4

    async def candidates(near: list[int] | None) -> dict[VersionRef, float]:
        found = await library.container.passages().candidates(
            ben,
            SearchQuery(text="cedar"),
            Action.SEARCH,
            words="",
            vector=await EMBEDDER.embed_query("cedar"),
            model=EMBEDDER.model,
            named=near,
        )
        assert (found.visible, found.comparable) == (2, 2)
        return {found.versions[passage]: score for passage, score in found.semantic.items()}

    everything = await candidates(None)
    assert set(everything) == {shared, own}
    assert await candidates([row.id for row in rows] * 2) == everything
    assert await candidates([]) == {}


@pytest.mark.parametrize("fails", [True, False], ids=["down", "behind"])
async def test_without_it_nothing_is_missing_and_it_is_said(library: Library, fails: bool) -> None:
    asha = await library.person()
    for words in TEXTS:
        await library.add(asha, words)
    store = Wayward(fails=fails)
    page = await _search(library, asha, store)
    assert _told(page) == _told(await _search(library, asha, None))
    reason = "vector_store_unavailable" if fails else "incomplete"
    assert [(each.step, each.reason) for each in page.degraded] == [("vector_store", reason)]


async def test_where_little_may_be_searched_it_is_not_asked(library: Library) -> None:
    asha = await library.person()
    await library.add(asha, TEXTS[0])
    store = Wayward()
    search = replace(library.container.search(), vectors=store)
    page = await search(caller=asha, query=SearchQuery(text="cedar"))
    assert len(page.hits) == 1
    assert store.asked == 0


async def test_it_forgets_what_was_replaced_and_what_was_erased(
    library: Library, changes: PostgresVectorChanges
) -> None:
    asha, store = await library.person(), MemoryVectorStore()
    first = await library.add(asha, TEXTS[0])
    gone = await library.add(asha, TEXTS[1])
    await _mirror(changes, store)
    before = _held(store, asha)
    assert set(before) == {first.document_id, gone.document_id}
    second = await library.replace(asha, first, TEXTS[2])
    await _mirror(changes, store)
    assert _held(store, asha) == before  # what is handed in is not searched yet
    await library.index(asha, second)
    await library.container.erase_document()(caller=asha, document_id=gone.document_id)
    await _mirror(changes, store)
    after = _held(store, asha)
    assert set(after) == {first.document_id}
    assert after[first.document_id] != before[first.document_id]
    assert [each for each in await changes.waiting() if each.owner == asha] == []


async def test_an_erasure_while_it_is_down_reaches_it_when_it_is_back(
    library: Library, changes: PostgresVectorChanges
) -> None:
    asha, store = await library.person(), Wayward()
    ref = await library.add(asha, TEXTS[0])
    await _mirror(changes, store)
    assert set(_held(store, asha)) == {ref.document_id}
    store.fails = True
    await library.container.erase_document()(caller=asha, document_id=ref.document_id)
    with pytest.raises(VectorStoreUnavailable):
        await _mirror(changes, store)
    assert [each.document_id for each in await changes.waiting() if each.owner == asha] == [
        ref.document_id
    ]
    store.fails = False
    await _mirror(changes, store)
    assert _held(store, asha) == {}


async def test_a_change_that_comes_meanwhile_is_not_lost(
    library: Library, changes: PostgresVectorChanges
) -> None:
    """It is erased after its vectors were read, and before they are written."""
    asha, store = await library.person(), MemoryVectorStore()
    ref = await library.add(asha, TEXTS[0])
    (change,) = [each for each in await changes.waiting() if each.owner == asha]
    vectors = await changes.vectors(change)
    await library.container.erase_document()(caller=asha, document_id=ref.document_id)
    await store.replace(asha, ref.document_id, vectors)
    await changes.done(change)
    assert set(_held(store, asha)) == {ref.document_id}
    await _mirror(changes, store)
    assert _held(store, asha) == {}


async def test_one_at_a_time_brings_changes_over(changes: PostgresVectorChanges) -> None:
    async with changes.turn() as first, changes.turn() as second:
        assert (first, second) == (True, False)
        assert (
            await MirrorVectors(model=EMBEDDER.model, changes=changes, store=MemoryVectorStore())()
            == 0
        )
    async with changes.turn() as again:
        assert again


async def test_a_store_that_is_new_or_was_not_told_begins_anew(library: Library) -> None:
    asha, store = await library.person(), MemoryVectorStore()
    changes = PostgresVectorChanges(engine=library.engine)
    mirror = MirrorVectors(model=EMBEDDER.model, changes=changes, store=store)
    ref = await library.add(asha, TEXTS[0])
    try:
        assert [each for each in await changes.waiting() if each.owner == asha] == []  # not noted
        await mirror.start()
        await _mirror(changes, store)
        assert set(_held(store, asha)) == {ref.document_id}
        await changes.cease()
        await library.container.erase_document()(caller=asha, document_id=ref.document_id)
        assert set(_held(store, asha)) == {ref.document_id}
        await mirror.start()
        assert _held(store, asha) == {}
    finally:
        await changes.cease()


async def _mirror(changes: PostgresVectorChanges, store: VectorStore) -> None:
    while await MirrorVectors(model=EMBEDDER.model, changes=changes, store=store)():
        pass


def _held(store: MemoryVectorStore, owner: Caller) -> dict[DocumentId, list[int]]:
    return {
        document: [each.passage for each in vectors]
        for (_, document), (by, vectors) in store.held.items()
        if by == owner
    }


async def _search(
    library: Library,
    caller: Caller,
    store: VectorStore | None,
    *,
    only: frozenset[DocumentId] | None = None,
) -> SearchPage:
    search = replace(library.container.search(), vectors=store, compared_max=0)
    query = SearchQuery(
        text="the willow beside the brook",
        mode=SearchMode.SEMANTIC,
        limit=50,
        document_ids=only,
    )
    return await search(caller=caller, query=query)


async def _found(library: Library, caller: Caller, store: VectorStore) -> set[DocumentId]:
    page = await _search(library, caller, store)
    return {hit.passage.version.document_id for hit in page.hits}


def _told(page: SearchPage) -> list[tuple[str, float]]:
    return [(hit.passage.id, hit.score) for hit in page.hits]
