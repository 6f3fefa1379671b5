"""Moving to another embedding model: nothing is missing meanwhile, whoever dies or disagrees."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from dependency_injector import providers

from adapters.embedding.hashing import HashingEmbedder
from adapters.embedding.minilm import MiniLMEmbedder
from adapters.identifiers import uuid7
from adapters.postgres.embedding_models import PostgresEmbeddingModels
from adapters.postgres.engine import Database
from adapters.postgres.migrate import migrate
from adapters.postgres.vector_index import PostgresVectorIndex
from application.retrieval.embedder import Embedder, EmbedderUnavailable, Vector
from application.retrieval.index_version import IndexVersion
from application.retrieval.meaning import Meanings
from application.retrieval.reembed_documents import ReembedDocuments
from application.retrieval.search import Search
from domain.identity import Caller, VersionRef
from domain.retrieval.embedding_model import ModelState
from domain.retrieval.query import SearchMode, SearchQuery
from domain.vault.document import IndexMode
from entrypoints.container import Container
from entrypoints.settings import Settings
from tests.integration.conftest import empty_database, new_tenant, unplugged
from tests.integration.retrieval.library import EMBEDDER, Library


class _Wide(HashingEmbedder):
    model = "wide-1"

    def __init__(self) -> None:
        super().__init__(dimensions=1024)


class _Narrow(HashingEmbedder):
    model = "narrow-1"

    def __init__(self) -> None:
        super().__init__(dimensions=256)


OLD, WIDE, NARROW = EMBEDDER, _Wide(), _Narrow()


@pytest.fixture(scope="module")
async def own_container(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Container]:
    """On a database of its own: a process moves every tenant that it finds."""
    directory: Path = tmp_path_factory.mktemp("reembedding")
    async with empty_database(database, "reembedding") as own:
        await migrate(own)
        container = Container(settings=Settings(data_dir=directory), database=own)
        container.embedder.override(providers.Object(EMBEDDER))
        yield container
        await container.extraction().close()
        await unplugged(container)


@pytest.fixture
async def library(own_container: Container) -> AsyncIterator[Library]:
    tenant_id = await new_tenant(own_container.database())
    library = Library(container=own_container, engine=own_container.engine(), tenant_id=tenant_id)
    await library.run("DELETE FROM embedding_readers WHERE CAST(:tenant AS uuid) IS NOT NULL")
    yield library
    # What this test left undone is none of the next one's business.
    await library.run("DELETE FROM embedding_models WHERE tenant_id = :tenant")
    await library.run("DELETE FROM documents WHERE tenant_id = :tenant")


@dataclass
class _Process:
    """One that serves with these settings, as the container would plug it together."""

    library: Library
    embedder: Embedder
    others: Sequence[Embedder] = ()
    wanted_seconds: float = 3600.0
    reembed: ReembedDocuments = field(init=False)
    models: PostgresEmbeddingModels = field(init=False)

    def __post_init__(self) -> None:
        engine, container = self.library.engine, self.library.container
        self.models = PostgresEmbeddingModels(
            engine=engine,
            reader_id=uuid7(),
            leaving_seconds=0.0,
            wanted_seconds=self.wanted_seconds,
            documents_at_once=3,
        )
        self.reembed = ReembedDocuments(
            models=self.models,
            index=PostgresVectorIndex(
                engine=engine,
                salt=self.models.reader_id.int & 0xFFFF,
                documents_at_once=3,
                passages_at_once=2,
            ),
            gate=container.gate(),
            failures=container.release_failures(),
            cipher=container.cipher(),
            half_vectors=container.half_vectors(),
            embedder=self.embedder,
            others=self.others,
        )

    @property
    def search(self) -> Search:
        meanings = Meanings(embedder=self.embedder, others=self.others)
        return replace(self.library.container.search(), meanings=meanings)

    @property
    def index_version(self) -> IndexVersion:
        whole = self.library.container.index_version()
        return replace(whole, embedder=self.embedder, others=self.others, passages_at_once=2)

    async def add(self, owner: Caller, content: str, **options: Any) -> VersionRef:
        ref = await self.library.hand_in(owner, content, **options)
        await self.index_version(caller=owner, version=ref)
        return ref

    async def states(self) -> dict[str, ModelState]:
        models = await self.models.of(self.library.tenant_id)
        return {each.name: each.state for each in models}

    async def until(self, wanted: Callable[[dict[str, ModelState]], bool]) -> None:
        for _ in range(200):
            await self.reembed()
            if wanted(await self.states()):
                return
        raise AssertionError(f"after 200 passes: {await self.states()}")

    async def until_moved(self) -> None:
        """Until its model serves, and nothing is left of others."""
        done = {ModelState.SERVING, ModelState.LEFT}
        await self.until(
            lambda states: (
                states.get(self.embedder.model) is ModelState.SERVING
                and set(states.values()) <= done
            )
        )

    async def by_meaning(self, caller: Caller, words: str) -> list[tuple[VersionRef, float]]:
        """What is found by meaning alone, with scores that are comparable."""
        query = SearchQuery(text=words, mode=SearchMode.SEMANTIC)
        page = await self.search(caller=caller, query=query)
        assert page.mode is SearchMode.SEMANTIC, page.degraded
        assert all(hit.semantic is not None for hit in page.hits)
        return [(hit.passage.version, hit.score) for hit in page.hits]


async def _vectors(library: Library) -> dict[str, int]:
    rows = await library.run(
        "SELECT model, count(*), count(DISTINCT passage_id) AS passages FROM passage_vectors"
        " WHERE tenant_id = :tenant GROUP BY model"
    )
    assert all(row.count == row.passages for row in rows), "one vector of a model for a passage"
    return {row.model: row.count for row in rows}


async def _passages(library: Library) -> int:
    (row,) = await library.run("SELECT count(*) FROM passages WHERE tenant_id = :tenant")
    return int(row.count)


async def _assert_whole(process: _Process, library: Library) -> None:
    """Every passage has a vector of the model that serves, and none of another."""
    assert await _vectors(library) == {process.embedder.model: await _passages(library)}


def _text(name: str) -> str:
    """Some passages, all about one thing."""
    about = f"The {name} stands beside the {name} brook. " * 40
    return "\n\n".join(f"## {name} {number}\n\n{about}" for number in range(4))


SPOKEN = "the stands beside brook untitled 0 1 2 3 willow poplar alder late strange"


def _names(count: int) -> list[str]:
    """Words that none of the embedders takes for another one that is used here."""
    taken = {(each.model, _place(each, word)) for each in EMBEDDERS for word in SPOKEN.split()}
    names: list[str] = []
    for number in range(1000):
        places = {(each.model, _place(each, f"cedar{number}")) for each in EMBEDDERS}
        if not places & taken:
            taken |= places
            names.append(f"cedar{number}")
        if len(names) == count:
            break
    return names


def _place(embedder: HashingEmbedder, word: str) -> int:
    vector = embedder._embed(word)
    return max(range(1, len(vector)), key=lambda place: abs(vector[place]))


EMBEDDERS = (OLD, WIDE, NARROW)
SEALED = IndexMode.SEALED
NAMES = _names(8)


@dataclass
class _Searcher:
    """Asks for each document, over and over, and counts how often each model served."""

    process: _Process
    owner: Caller
    wanted: dict[str, VersionRef]
    asked: int = 0
    missed: list[str] = field(default_factory=list)

    async def look(self) -> None:
        for name, ref in list(self.wanted.items()):
            found = [each for each, _ in await self.process.by_meaning(self.owner, name)]
            self.asked += 1
            if name in self.wanted and found[:1] != [ref]:
                self.missed.append(name)

    @asynccontextmanager
    async def looking(self) -> AsyncIterator[None]:
        async def for_ever() -> None:
            while True:
                await self.look()

        task = asyncio.create_task(for_ever())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled() or task.exception() is None, task.exception()


async def _library_of(process: _Process, owner: Caller) -> dict[str, VersionRef]:
    return {name: await process.add(owner, _text(name)) for name in NAMES}


@pytest.mark.slow
@pytest.mark.parametrize("to", [WIDE, NARROW], ids=["wider", "narrower"])
async def test_each_document_is_found_all_the_while(
    library: Library, to: Embedder, figure: Callable[[str], None]
) -> None:
    asha = await library.person()
    before = _Process(library, OLD)
    searcher = _Searcher(
        process := _Process(library, to, [OLD]), asha, await _library_of(before, asha)
    )
    async with searcher.looking():
        await process.reembed()
        assert await process.states() == {
            OLD.model: ModelState.SERVING, to.model: ModelState.ARRIVING,
        }  # fmt: skip
        # Meanwhile one comes, one is replaced, and one goes.
        searcher.wanted["willow"] = await process.add(asha, _text("willow"))
        replaced = searcher.wanted.pop(NAMES[0])
        later = await library.replace(asha, replaced, _text("poplar"))
        await process.index_version(caller=asha, version=later)
        searcher.wanted["poplar"] = later
        gone = searcher.wanted.pop(NAMES[1])
        erased = await library.container.erase_document()(caller=asha, document_id=gone.document_id)
        assert set(erased.erasure.residue.values()) == {0}
        await process.until_moved()
        searcher.wanted["alder"] = await process.add(asha, _text("alder"))
        at_the_end = searcher.asked
        while searcher.asked < at_the_end + len(searcher.wanted):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    figure(f"{searcher.asked} searches while a tenant moved, {len(searcher.missed)} missed")
    assert searcher.asked > 20
    assert searcher.missed == []
    await _assert_whole(process, library)


async def test_the_searcher_would_notice_a_swap_before_its_time(library: Library) -> None:
    """As above, but the models change places without the look at what is missing."""
    asha = await library.person()
    documents = await _library_of(_Process(library, OLD), asha)
    process = _Process(library, WIDE, [OLD])
    await process.reembed()
    searcher = _Searcher(process, asha, documents)
    await searcher.look()
    assert searcher.missed == []
    for state, model in (("leaving", OLD.model), ("serving", WIDE.model)):
        await library.run(
            "UPDATE embedding_models SET state = :state"
            " WHERE tenant_id = :tenant AND model = :model",
            state=state,
            model=model,
        )
    await searcher.look()
    assert searcher.missed


@pytest.mark.slow
async def test_several_processes_at_once_leave_one_vector_for_a_passage(library: Library) -> None:
    asha = await library.person()
    await _library_of(_Process(library, OLD), asha)
    processes = [_Process(library, WIDE, [OLD]) for _ in range(3)]
    await asyncio.gather(*(each.until_moved() for each in processes))
    await _assert_whole(processes[0], library)


class Killed(Exception):
    """The process ended here, as far as anyone can tell."""


class _Interposed:
    """The real part, whose process ends before or after the nth call of any of them."""

    def __init__(self, part: Any, killer: _Killer) -> None:
        self._part, self._killer = part, killer

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._part, name)
        return self._killer.around(member) if callable(member) else member

    async def __call__(self, *positional: Any, **named: Any) -> Any:
        return await self._killer.around(self._part)(*positional, **named)


@dataclass
class _Killer:
    calls_left: int
    after: bool

    def around(self, member: Any) -> Any:
        async def called(*positional: Any, **named: Any) -> Any:
            if not self.after:
                self._count()
            answer = await member(*positional, **named)
            if self.after:
                self._count()
            return answer

        return called

    def _count(self) -> None:
        if self.calls_left <= 0:
            raise Killed
        self.calls_left -= 1


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_kill_at_any_step_is_made_good_by_the_next_start(
    library: Library, after: bool, figure: Callable[[str], None]
) -> None:
    """Each life of the process is one call longer than the one before."""
    asha = await library.person()
    old = _Process(library, OLD)
    documents = {name: await old.add(asha, _text(name)) for name in NAMES[:3]}
    searcher = _Searcher(_Process(library, WIDE, [OLD]), asha, documents)
    kills = 0
    for calls in range(200):
        killer = _Killer(calls_left=calls, after=after)
        process = _Process(library, WIDE, [OLD])
        await old.models.withdraw()
        for part in ("models", "index", "gate", "embedder"):
            setattr(process.reembed, part, _Interposed(getattr(process.reembed, part), killer))
        try:
            await process.until_moved()
        except Killed:
            kills += 1
            await searcher.look()
        else:
            break
    figure(f"{kills} kills, {searcher.asked} searches between them, {len(searcher.missed)} missed")
    assert kills >= 10
    assert searcher.missed == []
    await _assert_whole(process, library)


@pytest.mark.slow
async def test_processes_with_different_settings_do_not_fight(library: Library) -> None:
    """A rolling restart: one that knows the old model alone beside one that wants another."""
    asha = await library.person()
    old, new = _Process(library, OLD), _Process(library, WIDE, [OLD])
    documents = await _library_of(old, asha)
    await old.reembed()
    for _ in range(10):
        await new.reembed()
        await old.reembed()
    lacking = await new.reembed.index.count_lacking(library.tenant_id, WIDE.model)
    assert (lacking, (await new.states())[OLD.model]) == (0, ModelState.SERVING), "old one lives"
    documents["late"] = await old.add(asha, _text("late"))
    for process in (old, new):
        assert (await process.by_meaning(asha, "late"))[0][0] == documents["late"]
    await old.models.withdraw()
    await new.until_moved()
    # One with the old settings comes back, by mistake: it changes nothing, and says what it lacks.
    for _ in range(5):
        await old.reembed()
        await new.reembed()
    assert await new.states() == {OLD.model: ModelState.LEFT, WIDE.model: ModelState.SERVING}
    page = await old.search(caller=asha, query=SearchQuery(text="late"))
    assert (page.mode, page.hits[0].passage.version) == (SearchMode.KEYWORD, documents["late"])
    assert ("semantic", "embedder_not_configured") in [
        (each.step, each.reason) for each in page.degraded
    ]
    # What it indexes is found by words at once, and by meaning once the other one has seen it.
    documents["strange"] = await old.add(asha, _text("strange"))
    assert await library.found(asha, "strange", mode=SearchMode.KEYWORD)
    await new.reembed()
    searcher = _Searcher(new, asha, documents)
    await searcher.look()
    assert searcher.missed == []
    await _assert_whole(new, library)


async def test_back_to_a_model_that_has_left_only_when_told(library: Library) -> None:
    asha = await library.person()
    old, new = _Process(library, OLD, [WIDE]), _Process(library, WIDE, [OLD])
    documents = await _library_of(_Process(library, OLD), asha)
    await new.until_moved()
    await new.models.withdraw()
    await old.reembed()
    assert (await old.states())[WIDE.model] is ModelState.SERVING
    arrive = old.models.arrive
    assert not await arrive(library.tenant_id, OLD.model, OLD.dimensions)
    assert not await arrive(library.tenant_id, OLD.model, OLD.dimensions + 1, again=True)
    assert not await arrive(library.tenant_id, WIDE.model, WIDE.dimensions, again=True)
    assert await arrive(library.tenant_id, OLD.model, OLD.dimensions, again=True)
    assert not await arrive(library.tenant_id, NARROW.model, NARROW.dimensions), "one at a time"
    await old.until_moved()
    searcher = _Searcher(old, asha, documents)
    await searcher.look()
    assert searcher.missed == []
    await _assert_whole(old, library)


async def test_a_move_that_nobody_wants_any_more_makes_room(library: Library) -> None:
    asha = await library.person()
    documents = await _library_of(_Process(library, OLD), asha)
    wide = _Process(library, WIDE, [OLD])
    await wide.reembed()
    narrow = _Process(library, NARROW, [OLD])
    await narrow.reembed()
    assert set(await narrow.states()) == {OLD.model, WIDE.model}, "it is wanted by one that lives"
    await wide.models.withdraw()
    impatient = _Process(library, NARROW, [OLD], wanted_seconds=0.0)
    await impatient.until_moved()
    assert await narrow.states() == {OLD.model: ModelState.LEFT, NARROW.model: ModelState.SERVING}
    searcher = _Searcher(impatient, asha, documents)
    await searcher.look()
    assert searcher.missed == []


async def test_a_document_published_right_after_a_swap_has_the_new_vectors(
    library: Library,
) -> None:
    """It was begun before anybody spoke of another model."""
    asha = await library.person()
    old, new = _Process(library, OLD), _Process(library, WIDE, [OLD])
    await old.add(asha, "The cedar stands beside the brook.")
    await old.models.withdraw()

    class Overtaken(HashingEmbedder):
        moved = False

        async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
            vectors = await super().embed_passages(texts)
            if not self.moved:
                await new.until_moved()
                self.moved = True
            return vectors

    ref = await library.hand_in(asha, _text("willow"))
    overtaken = Overtaken()
    indexing = replace(new.index_version, others=[overtaken])
    await indexing(caller=asha, version=ref)
    assert overtaken.moved
    assert (await new.by_meaning(asha, "willow"))[0][0] == ref
    await _assert_whole(new, library)


async def test_a_model_that_is_down_keeps_nobody_waiting_while_it_arrives(library: Library) -> None:
    asha = await library.person()
    documents = await _library_of(_Process(library, OLD), asha)
    down = _Down()
    process = _Process(library, down, [OLD])
    with pytest.raises(EmbedderUnavailable):
        await process.reembed()
    documents["willow"] = await process.add(asha, _text("willow"))
    searcher = _Searcher(process, asha, documents)
    await searcher.look()
    assert searcher.missed == []
    assert (await process.states())[OLD.model] is ModelState.SERVING
    down.is_down = False
    await process.until_moved()
    await searcher.look()
    assert searcher.missed == []


class _Down(_Wide):
    is_down = True

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        if self.is_down:
            raise EmbedderUnavailable
        return await super().embed_passages(texts)


async def test_the_vectors_are_those_of_a_document_indexed_anew(
    library: Library, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With the model that is shipped, and with headings, which are embedded too."""
    minilm = MiniLMEmbedder(_models(tmp_path_factory))
    asha = await library.person()
    await _Process(library, OLD).add(asha, _text("cedar"))
    process = _Process(library, minilm, [OLD])
    await process.until_moved()
    await process.add(asha, _text("cedar"))
    (row,) = await library.run(
        "SELECT count(*), min(closeness) FROM ("
        " SELECT -(a.embedding <#> b.embedding) AS closeness"
        " FROM passages p JOIN passages q USING (tenant_id, ordinal)"
        " JOIN passage_vectors a ON a.tenant_id = p.tenant_id AND a.passage_id = p.id"
        " JOIN passage_vectors b ON b.tenant_id = q.tenant_id AND b.passage_id = q.id"
        " WHERE p.tenant_id = :tenant AND p.document_id < q.document_id)"
    )
    assert row.count >= 4
    assert row.min > 0.999
    await minilm.close()


def _models(factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("STRONGROOM_TEST_MODELS")
    return Path(named) if named else factory.mktemp("models")


async def test_what_is_sealed_moves_too_and_is_found_all_the_while(library: Library) -> None:
    asha = await library.person()
    before = _Process(library, OLD)
    sealed = {name: await before.add(asha, _text(name), index_mode=SEALED) for name in NAMES[:3]}
    after = _Process(library, WIDE, others=[OLD])
    for _ in range(200):
        await after.reembed()
        for name, ref in sealed.items():
            assert (await after.by_meaning(asha, name))[0][0] == ref
        if (await after.states()).get(WIDE.model) is ModelState.SERVING:
            break
    await after.until_moved()
    assert await _vectors(library) == {}
    alone = _Process(library, WIDE)
    assert [(await alone.by_meaning(asha, name))[0][0] for name in sealed] == list(sealed.values())
    rows = await library.run("SELECT models FROM sealed_index WHERE tenant_id = :tenant")
    assert all(WIDE.model in row.models for row in rows)
