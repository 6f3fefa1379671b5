"""A database of clustered passages, people who may search some of them, and grants that change."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from dependency_injector import providers
from numpy.typing import NDArray
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.embedding.hashing import HashingEmbedder
from adapters.identifiers import uuid7
from adapters.postgres.embedded import embedded_database
from adapters.postgres.engine import APPLICATION, Database
from adapters.postgres.migrate import migrate
from adapters.postgres.tenants import create_tenant
from benchmarks.clustered import MODEL, PASSAGES_PER_DOCUMENT, Clustered
from domain.consent.terms import Terms
from domain.identity import (
    PERSONAL_USE,
    Action,
    Caller,
    PersonId,
    ResourceKind,
    ResourceRef,
    TenantId,
)
from entrypoints.container import Container
from entrypoints.settings import Settings

PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Somebody, and what is visible to them all the time, by number."""

    number: int
    caller: Caller
    documents: NDArray[np.int64]
    passages: NDArray[np.int64]
    visible: frozenset[int]


@dataclass(slots=True, kw_only=True)
class Changing:
    """Passages that are shared and taken back again and again. `withdrawn` are those that were
    acknowledged to be taken back, and not given anew since."""

    ever: frozenset[int]
    withdrawn: set[int] = field(default_factory=set)
    _looks: list[set[int]] = field(default_factory=list)

    @contextmanager
    def forbidden(self) -> Iterator[set[int]]:
        """To a search within: in the end those that were withdrawn all the while."""
        looked = set(self.withdrawn)
        self._looks.append(looked)
        try:
            yield looked
        finally:
            self._looks.remove(looked)

    def given(self, passages: set[int]) -> None:
        """They are about to be, so that no search within may be blamed for finding them."""
        for each in (self.withdrawn, *self._looks):
            each -= passages


@dataclass(slots=True, kw_only=True)
class Shelves:
    """`figures` are what was measured while it was filled: rows a second, seconds."""

    database: Database
    engine: AsyncEngine
    container: Container
    clustered: Clustered
    tenant_id: TenantId
    owner: Caller
    document_ids: Sequence[Any]
    figures: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    askers: int = 0
    changes: int = 0

    async def asker(self, percent: float, topic: int | None) -> Asker:
        """Somebody who sees so much, of the documents nearest to a topic, or by chance."""
        topics = self.clustered.topics
        count = max(round(len(topics) * percent / 100), 1)
        order = self.clustered.chance.permutation(len(topics))
        if topic is not None:
            place = np.argsort(self.clustered.nearest[topic])
            order = order[np.argsort(place[topics[order]], kind="stable")]
        return await self.asker_of(np.sort(order[:count]))

    async def asker_of(self, documents: NDArray[np.int64]) -> Asker:
        """Somebody who sees these documents, by their sorted numbers."""
        passages = (
            documents[:, None] * PASSAGES_PER_DOCUMENT + np.arange(PASSAGES_PER_DOCUMENT)
        ).ravel()
        self.askers += 1
        caller = await _person(self.database, self.tenant_id)
        collection = uuid7()
        told = [self.document_ids[each] for each in documents]
        await _copy(
            self.database,
            "collections",
            [(self.tenant_id, collection, self.owner.person_id, b"", datetime.now(UTC))],
        )
        owner = self.owner.person_id
        items = [(self.tenant_id, collection, each, owner, datetime.now(UTC)) for each in told]
        await _copy(self.database, "collection_items", items)
        await _copy(self.database, "told", [(self.askers, each) for each in told])
        await self._share(caller, ResourceKind.COLLECTION, collection)
        await _run(self.database, "ANALYZE told, collection_items")
        return Asker(
            number=self.askers,
            caller=caller,
            documents=documents,
            passages=passages,
            visible=frozenset(passages.tolist()),
        )

    @asynccontextmanager
    async def changing(self, asker: Asker, topics: Sequence[int]) -> AsyncIterator[Changing]:
        """Share documents about these topics with the asker, and take them back, all the while."""
        hidden = np.setdiff1d(np.arange(len(self.document_ids)), asker.documents)
        about = hidden[np.isin(self.clustered.topics[hidden], list(topics))]
        documents = (about if len(about) else hidden)[:5]
        numbers = {int(each): set(_passages_of(int(each))) for each in documents}
        state = Changing(ever=frozenset().union(*numbers.values()))
        state.withdrawn = set(state.ever)
        done = asyncio.Event()

        async def change() -> None:
            while not done.is_set():
                for each, passages in numbers.items():
                    if done.is_set():
                        return
                    state.given(passages)
                    given = await self._share(
                        asker.caller, ResourceKind.DOCUMENT, self.document_ids[each]
                    )
                    await asyncio.sleep(PAUSE_SECONDS)
                    await self.container.revoke_grant()(caller=self.owner, grant_id=given.id)
                    state.withdrawn |= passages
                    self.changes += 1
                    await asyncio.sleep(PAUSE_SECONDS)

        task = asyncio.create_task(change())
        try:
            yield state
        finally:
            done.set()
            await task

    async def _share(self, grantee: Caller, kind: ResourceKind, what: Any) -> Any:
        terms = Terms(
            resource=ResourceRef(kind=kind, id=what),
            actions=frozenset({Action.SEARCH}),
            purpose=PERSONAL_USE,
            not_before=None,
            expires_at=datetime.now(UTC) + timedelta(hours=6),
            max_uses=None,
        )
        give = self.container.give_grant()
        return await give(caller=self.owner, grantee=grantee.person_id, terms=terms)


@asynccontextmanager
async def shelves(directory: Path, passages: int) -> AsyncIterator[Shelves]:
    """Passage number i has i as its id."""
    async with embedded_database(directory / "database") as url:
        database = Database.at(url)
        await migrate(database)
        tenant_id = await create_tenant(database, name="measured", sign_up_open=True)
        container = Container(settings=Settings(data_dir=directory), database=database)
        engine = database.engine(APPLICATION, pool_size=4)
        container.engine.override(providers.Object(engine))
        container.embedder.override(providers.Object(HashingEmbedder()))
        print(f"making {passages} vectors", flush=True)
        made = Shelves(
            database=database,
            engine=engine,
            container=container,
            clustered=Clustered.of(passages),
            tenant_id=tenant_id,
            owner=await _person(database, tenant_id),
            document_ids=[uuid7() for _ in range(passages // PASSAGES_PER_DOCUMENT)],
        )
        await _fill(made)
        yield made
        await engine.dispose()


async def _fill(made: Shelves) -> None:
    """With the graph away for most of it, which is how the rates without and with it are had."""
    total, tenant, owner = len(made.clustered.vectors), made.tenant_id, made.owner.person_id
    at, ids = datetime.now(UTC), made.document_ids
    await _run(made.database, "DROP INDEX passage_vectors_near_idx")
    await _run(made.database, "CREATE TABLE told (asker integer, document_id uuid)")
    per = PASSAGES_PER_DOCUMENT
    documents = (
        (tenant, each, owner, 1, 1, per, 0, "clear", "committed", b"", at, at) for each in ids
    )
    columns = "tenant_id id owner_id current_version searchable_version passage_count lexeme_count"
    columns += " index_mode audit_mode sealed_metadata created_at updated_at"
    await _copy(made.database, "documents", documents, columns.split())
    versions = ((tenant, each, 1, "text/plain", 1, each, "ready", at) for each in ids)
    columns = "tenant_id document_id version media_type content_length content_blob_id state"
    await _copy(made.database, "versions", versions, [*columns.split(), "created_at"])
    places = ((tenant, n, ids[n // per], 1, n % per, 0, 1, b"") for n in range(total))
    columns = "tenant_id id document_id version ordinal start_byte end_byte sealed_text"
    await _copy(made.database, "passages", places, columns.split())
    batch = total // 50
    await _vectors(made, 0, total - 3 * batch)
    rates = {"without a graph": await _rate(made, total - 3 * batch, batch)}
    print("building the graph", flush=True)
    began = time.perf_counter()
    building = asyncio.create_task(migrate(made.database))
    await asyncio.sleep(1)
    rates["while it is built"] = await _rate(made, total - 2 * batch, batch)
    assert not building.done(), "it was built before anything was written"
    await building
    seconds = time.perf_counter() - began
    rates["with a graph"] = await _rate(made, total - batch, batch)
    made.figures["written_vectors_per_second"] = {side: [rate] for side, rate in rates.items()}
    made.figures["build_seconds"] = {"graph": [seconds]}
    await _run(made.database, "CREATE INDEX ON told (asker, document_id)")
    await _run(made.database, "VACUUM ANALYZE")


async def _rate(made: Shelves, start: int, batch: int) -> float:
    began = time.perf_counter()
    await _vectors(made, start, start + batch)
    return batch / (time.perf_counter() - began)


async def _vectors(made: Shelves, start: int, end: int) -> None:
    tenant, owner, ids = made.tenant_id, made.owner.person_id, made.document_ids
    vectors = made.clustered.vectors
    rows = (
        (tenant, owner, ids[n // PASSAGES_PER_DOCUMENT], 1, n, MODEL, vectors[n])
        for n in range(start, end)
    )
    await _copy(made.database, "passage_vectors", rows)


async def _copy(
    database: Database, table: str, rows: Iterable[Any], columns: Sequence[str] | None = None
) -> None:
    connection = await database.connect("postgres")
    try:
        await connection.set_type_codec(
            "halfvec", schema="public", format="binary", encoder=_encoded, decoder=bytes
        )
        await connection.copy_records_to_table(table, records=rows, columns=columns)
    finally:
        await connection.close()


def _encoded(vector: Any) -> bytes:
    """As pgvector receives a halfvec: dimensions, nothing, and the numbers."""
    body: bytes = vector.astype(">f2").tobytes()
    return len(vector).to_bytes(2) + b"\0\0" + body


async def _run(database: Database, statement: str) -> None:
    connection = await database.connect("postgres")
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _person(database: Database, tenant_id: TenantId) -> Caller:
    person = PersonId(uuid7())
    columns = ["tenant_id", "id", "email", "display_name", "password_hash", "role"]
    row = (tenant_id, person, f"{person}@example.org", "Somebody", "-", "member")
    await _copy(database, "people", [row], columns)
    return Caller(tenant_id=tenant_id, person_id=person)


def _passages_of(document: int) -> range:
    return range(document * PASSAGES_PER_DOCUMENT, (document + 1) * PASSAGES_PER_DOCUMENT)
