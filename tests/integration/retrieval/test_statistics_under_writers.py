"""The statistics of BM25 while documents come, change and go, and are shared and taken back.

Several writers act at once, each on connections of its own. Whenever somebody looks, the scores are
those of a recomputation over exactly what may be seen in the same snapshot, and so are the counts
that are kept with each document.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from adapters.postgres.engine import Database
from adapters.postgres.passages import search_values
from adapters.postgres.statements import statement
from adapters.postgres.vector_route import PLANNING
from adapters.postgres.word_index import PostgresWordIndex
from application.retrieval.ports import AttemptOver, IndexedPassage
from domain.consent.grant import Grant
from domain.errors import Conflict, NotFound, PreconditionFailed
from domain.identity import Action, Caller, DocumentId, PersonId, VersionRef
from domain.language import ENGLISH
from domain.retrieval.query import SearchQuery
from tests.integration.conftest import run_as_owner
from tests.integration.retrieval.bm25 import bm25
from tests.integration.retrieval.library import EMBEDDER, Library

EXAMPLES = int(os.environ.get("STRONGROOM_STATISTICS_EXAMPLES", "60"))
# Words that are their own stems, and no stop words.
WORDS = ("apricot", "bolt", "cedar", "drum", "ember", "flint")
QUESTIONS = (("cedar",), ("apricot", "bolt", "bolt"), ("drum", "nowhere", "ember", "flint"))

_passages = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12), max_size=5)
_which = st.integers(0, 99)
_step = st.one_of(
    st.tuples(st.just("add"), _which, _passages),
    st.tuples(st.just("replace"), _which, _passages),
    st.tuples(st.sampled_from(["index", "reanalyse", "erase"]), _which, st.none()),
    st.tuples(st.sampled_from(["share", "withdraw"]), _which, st.none()),
)
Step = tuple[str, int, Any]
_writers = st.lists(st.lists(_step, min_size=3, max_size=10), min_size=3, max_size=4)


@dataclass
class Shelf:
    """What the writers did, and what every version says."""

    library: Library
    people: Sequence[Caller]
    says: dict[VersionRef, list[list[str]]] = field(default_factory=dict)
    current: dict[DocumentId, tuple[Caller, VersionRef]] = field(default_factory=dict)
    grants: list[tuple[Caller, Grant]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    async def act(self, steps: Sequence[Step]) -> None:
        for kind, which, passages in steps:
            try:
                await self._step(kind, which, passages)
            except (NotFound, Conflict, PreconditionFailed, AttemptOver):
                self.done[f"{kind} too late"] += 1  # another writer was there first
            else:
                self.done[kind] += 1

    async def index(self, owner: Caller, ref: VersionRef) -> None:
        index = self.library.container.passage_index()
        attempt = await index.begin(owner, ref)
        if attempt is None:
            return
        rows = [
            IndexedPassage(
                ordinal=place,
                start=place,
                end=place + 1,
                page=None,
                sealed=b"",
                words=" ".join(words),
                vector=await EMBEDDER.embed_query(" ".join(words)),
            )
            for place, words in enumerate(self.says[ref])
        ]
        for first in range(0, len(rows), 2):
            await index.add(attempt, EMBEDDER.model, rows[first : first + 2], len(rows))
        await index.publish(attempt)

    async def _step(self, kind: str, which: int, passages: list[list[str]] | None) -> None:
        if kind == "add" or not self.current:
            owner = self.people[which % 2]
            await self._say(owner, await self.library.hand_in(owner, "as said"), passages or [])
            return
        if kind == "withdraw":
            if self.grants:
                owner, grant = self.grants[which % len(self.grants)]
                revoke = self.library.container.revoke_grant()
                await revoke(caller=owner, grant_id=grant.id)
            return
        owner, ref = list(self.current.values())[which % len(self.current)]
        match kind:
            case "replace":
                newer = await self.library.replace(owner, ref, f"as said {which}")
                await self._say(owner, newer, passages or [])
            case "index":
                await self.index(owner, ref)
            case "reanalyse":
                await self._reanalyse(owner, ref)
            case "erase":
                erase = self.library.container.erase_document()
                await erase(caller=owner, document_id=ref.document_id)
                self.current.pop(ref.document_id, None)
            case "share":
                reader = self.people[2 + which % 2]
                self.grants.append((owner, await self.library.share(owner, ref, reader)))

    async def _say(self, owner: Caller, ref: VersionRef, passages: list[list[str]]) -> None:
        self.says[ref] = passages
        latest = self.current.get(ref.document_id)
        if ref.version == 1 or (latest and latest[1].version < ref.version):
            self.current[ref.document_id] = (owner, ref)
        await self.index(owner, ref)

    async def _reanalyse(self, owner: Caller, ref: VersionRef) -> None:
        """By the same rules as before, so that nothing may change."""
        index = PostgresWordIndex(engine=self.library.engine, passages_at_once=2)
        attempt = await index.take_over(owner, ref)
        if attempt is not None:
            rows = await index.passages(attempt)
            words = {
                number: (" ".join(self.says[ref][row.ordinal]), "") for number, row in rows.items()
            }
            await index.rewrite(attempt, ENGLISH, words)


@dataclass
class Tally:
    """What was really done in all examples of a test, told once at its end."""

    request: pytest.FixtureRequest
    done: Counter[str] = field(default_factory=Counter)

    def add(self, done: Counter[str]) -> None:
        self.done += done
        self.request.node.user_properties[:] = [("figure", str(dict(self.done)))]


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    return Tally(request)


_ON_A_DATABASE: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    # What fails depends on who comes first: it cannot be made smaller by running it again.
    "phases": [Phase.explicit, Phase.generate],
}


@pytest.mark.slow
@settings(max_examples=4, **_ON_A_DATABASE)
@given(writers=_writers)
async def test_scores_are_right_while_a_few_write_at_once(
    library: Library, tally: Tally, writers: list[list[Step]]
) -> None:
    await _assert_law(library, tally, writers)


@pytest.mark.long
@settings(max_examples=EXAMPLES, **_ON_A_DATABASE)
@given(writers=_writers)
async def test_scores_are_right_whatever_is_written_at_once(
    library: Library, tally: Tally, writers: list[list[Step]]
) -> None:
    await _assert_law(library, tally, writers)
    assert tally.done["examples"]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE documents SET lexeme_count = lexeme_count + 1 WHERE id = :document",
        "UPDATE documents SET passage_count = passage_count + 1 WHERE id = :document",
        "UPDATE postings SET frequency = frequency + 1 WHERE document_id = :document",
        "UPDATE postings SET length = length + 1 WHERE document_id = :document",
        "DELETE FROM postings WHERE document_id = :document AND lexeme = 'cedar'",
    ],
    ids=["lexemes", "passages", "frequency", "length", "posting"],
)
async def test_a_statistic_that_is_off_by_one_is_noticed(
    database: Database, library: Library, damage: str
) -> None:
    shelf = Shelf(library, [await library.person() for _ in range(4)])
    await shelf.act([("add", 0, [["cedar", "drum"], ["bolt"]]), ("add", 0, [["cedar"]])])
    await _assert_right(shelf, ("cedar",))
    (_, ref), *_ = shelf.current.values()
    await run_as_owner(database, damage.replace(":document", f"'{ref.document_id}'"))
    with pytest.raises(AssertionError):
        await _assert_right(shelf, ("cedar",))


async def _assert_law(library: Library, tally: Tally, writers: list[list[Step]]) -> None:
    shelf = Shelf(library, [await library.person() for _ in range(4)])
    acting = asyncio.gather(*(shelf.act(steps) for steps in writers))
    looks = 0
    for question in itertools.cycle(QUESTIONS):
        await _assert_right(shelf, question)
        if acting.done():
            break
        looks += 1
    await acting
    for owner, ref in shelf.current.values():
        await shelf.index(owner, ref)
    # At rest, what was acknowledged is what there is, and nothing is left of anything else.
    ours = {ref for _, ref in shelf.current.values()}
    for question in QUESTIONS:
        assert await _assert_right(shelf, question) == ours
    assert await _indexed(shelf) <= ours
    tally.add(shelf.done + Counter({"examples": 1, "looks meanwhile": looks}))


async def _assert_right(shelf: Shelf, question: Sequence[str]) -> set[VersionRef]:
    """For each person, in one snapshot: what is found, and the rows from which Python decides what
    should be. Returns what is searchable of what this shelf knows."""
    library = shelf.library
    async with library.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        async with connection.begin():
            await connection.execute(PLANNING, {"tenant": str(library.tenant_id), "person": ""})
            found = [
                (await connection.execute(statement("search"), _asked(person, question))).all()
                for person in shelf.people
            ]
            rows = await connection.execute(_STANDING, {"tenant": library.tenant_id})
            documents = {row.id: row for row in rows if row.owner_id in _ids(shelf.people[:2])}
            given_to = await connection.execute(_GIVEN, {"tenant": library.tenant_id})
            open_grants = {(row.grantee_id, row.resource_id) for row in given_to}
            passages = await connection.execute(_PASSAGES, {"tenant": library.tenant_id})
            numbers = {row.id: (row.document_id, row.version, row.ordinal) for row in passages}
    searchable = {
        each.id: VersionRef(document_id=each.id, version=each.searchable_version)
        for each in documents.values()
        if each.searchable_version is not None
    }
    for each, ref in searchable.items():
        says = shelf.says[ref]
        kept = documents[each].passage_count, documents[each].lexeme_count
        assert kept == (len(says), sum(map(len, says)))
    for person, hits in zip(shelf.people, found, strict=True):
        visible = {
            (ref.document_id, ref.version, place): words
            for each, ref in searchable.items()
            if documents[each].owner_id == person.person_id
            or (person.person_id, each) in open_grants
            for place, words in enumerate(shelf.says[ref])
        }
        scores = {numbers[hit.id]: hit.keyword for hit in hits if hit.id is not None}
        assert scores == pytest.approx(bm25(visible, question), rel=1e-6, abs=1e-6)
        assert hits[0].visible == len(visible)
    return set(searchable.values())


async def _indexed(shelf: Shelf) -> set[VersionRef]:
    """The versions of this shelf of which any table of the index has a row."""
    rows = await shelf.library.run(
        " UNION ".join(
            f"SELECT document_id, version FROM {table} WHERE tenant_id = :tenant"
            for table in ("passages", "passage_vectors", "postings")
        )
    )
    return {VersionRef(document_id=row[0], version=row[1]) for row in rows} & shelf.says.keys()


def _asked(person: Caller, question: Sequence[str]) -> Mapping[str, Any]:
    words = " ".join(question)
    return search_values(
        person,
        SearchQuery(text=words),
        Action.SEARCH,
        words=words,
        vector=None,
        model="none",
        per_leg=10_000,
    )


def _ids(people: Sequence[Caller]) -> set[PersonId]:
    return {person.person_id for person in people}


_ENTER = text("SELECT set_config('app.tenant', :tenant, true)")
_STANDING = text("""
    SELECT id, owner_id, searchable_version, passage_count, lexeme_count FROM documents
    WHERE tenant_id = :tenant
""")
_GIVEN = text("""
    SELECT grantee_id, resource_id FROM grants WHERE tenant_id = :tenant AND revoked_at IS NULL
""")
_PASSAGES = text("""
    SELECT id, document_id, version, ordinal FROM passages WHERE tenant_id = :tenant
""")
