"""What is sealed is found as if it were in the open index, by those who may search it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from application.retrieval.ports import AttemptOver, IndexedPassage
from application.retrieval.sealed_search import SealedSearch
from domain.errors import Unavailable
from domain.identity import Action
from domain.retrieval.query import Results, SearchMode, SearchQuery
from domain.vault.document import IndexMode
from tests.integration.retrieval.library import EMBEDDER, Library

SEALED = {"index_mode": IndexMode.SEALED}
LEASE = "The lease of the flat in Marienstrasse ends in March. Notice is due three months before."
SUBJECTS = [
    LEASE,
    "# Garden\n\nThe garden behind the house belongs to all tenants. Bicycles stand in the yard.",
    "Die Mieter zahlen für die Häuser eine Kaution, und sie wird ihnen zurückgegeben.",
    "Les élèves étudient à l'université pour être des médecins, et la caution leur est rendue.",
    "# Deposit\n\nThe deposit is three months of rent. It is paid before the keys are handed over.",
    "租客为房屋支付押金，退租时退还。 The deposit is returned.",
    "Notice of a rent increase is given in writing, three months before it begins.",
]
QUESTIONS = ["when is notice due", "deposit for the house", "Kaution der Häuser", "caution medecin",
             "押金", "the of and", "garden", "rent rent increase in three months"]  # fmt: skip
EVERY_MODE = pytest.mark.parametrize("mode", list(SearchMode))


@EVERY_MODE
@pytest.mark.parametrize("results", list(Results))
async def test_a_library_that_is_sealed_in_part_is_ranked_like_one_in_the_open(
    library: Library, mode: SearchMode, results: Results
) -> None:
    asha, ben, carla = [await library.person() for _ in range(3)]
    for number, subject in enumerate(SUBJECTS):
        title = f"Subject {number}"
        await library.add(asha, subject, title=title)
        in_part = SEALED if number % 2 else {}
        await library.add(ben, subject, title=title, **in_part)
        await library.add(carla, subject, title=title, **SEALED)
    for question in QUESTIONS:
        pages = [
            await library.search(person, question, mode=mode, results=results)
            for person in (asha, ben, carla)
        ]
        in_the_open, *others = [
            [
                (hit.passage.title, hit.passage.text, hit.passage.heading_path,
                 hit.score, hit.keyword, hit.semantic)
                for hit in page.hits
            ]
            for page in pages
        ]  # fmt: skip
        assert in_the_open
        for other in others:
            assert [each[:3] for each in other] == [each[:3] for each in in_the_open], question
            for mine, theirs in zip(other, in_the_open, strict=True):
                assert mine[3:] == pytest.approx(theirs[3:], abs=1e-5)
        assert len({(page.mode, page.rung, page.visible) for page in pages}) == 1
        assert len({tuple(page.degraded) for page in pages}) == 1
        assert [page.examined for page in pages] == [0, len(SUBJECTS) // 2, len(SUBJECTS)]


@EVERY_MODE
async def test_a_grant_shows_what_is_sealed_for_its_purpose_only(
    library: Library, mode: SearchMode
) -> None:
    asha, ben, carla = [await library.person() for _ in range(3)]
    shared = await library.add(asha, LEASE, **SEALED)
    await library.add(asha, LEASE, **SEALED)
    grant = await library.share(asha, shared, ben, purpose="care")
    page = await library.search(ben, "notice of the lease", mode=mode, purpose="care")
    assert [(hit.passage.version, hit.grant_id) for hit in page.hits] == [(shared, grant.id)]
    assert page.examined == 1
    assert await library.found(ben, "notice of the lease", mode=mode) == set()
    assert await library.found(carla, "notice of the lease", mode=mode, purpose="care") == set()
    await library.container.revoke_grant()(caller=asha, grant_id=grant.id)
    assert await library.found(ben, "notice of the lease", mode=mode, purpose="care") == set()


@EVERY_MODE
async def test_what_is_sealed_and_hidden_moves_nothing(library: Library, mode: SearchMode) -> None:
    asha, ben = await library.person(), await library.person()
    shared = await library.add(asha, LEASE, **SEALED)
    await library.share(asha, shared, ben)
    for index_mode in IndexMode:
        await library.add(ben, f"{LEASE} The notice is kept.", index_mode=index_mode)
    query = "notice of the lease"
    before = await library.search(ben, query, mode=mode)
    assert before.examined == 2
    for subject in SUBJECTS:
        await library.add(asha, f"{subject} A notice, a notice.", **SEALED)
    after = await library.search(ben, query, mode=mode)
    assert [replace(hit, release_id=None) for hit in after.hits] == [  # type: ignore[arg-type]
        replace(hit, release_id=None)
        for hit in before.hits  # type: ignore[arg-type]
    ]
    assert (after.visible, after.degraded) == (before.visible, before.degraded)


async def test_a_grant_to_search_is_none_to_quote(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    lease = await library.add(asha, LEASE, **SEALED)
    await library.share(asha, lease, ben, actions=[Action.SEARCH])
    assert await library.found(ben, "notice") == {lease.document_id}
    assert await library.found(ben, "notice", action=Action.QUOTE) == set()
    await library.share(asha, lease, ben, actions=[Action.QUOTE])
    assert await library.found(ben, "notice", action=Action.QUOTE) == {lease.document_id}


async def test_an_attempt_for_the_former_mode_cannot_write_after_the_change(
    library: Library,
) -> None:
    """A worker that began when the document was in the clear, and comes late with its words."""
    asha = await library.person()
    lease = await library.hand_in(asha, LEASE)
    index = library.container.passage_index()
    late = await index.begin(asha, lease)
    assert late is not None
    await library.container.change_index_mode()(
        caller=asha, document_id=lease.document_id, index_mode=IndexMode.SEALED
    )
    row = IndexedPassage(
        ordinal=0, start=0, end=1, page=None, sealed=b"", words=LEASE,
        vector=await EMBEDDER.embed_query(LEASE),
    )  # fmt: skip
    with pytest.raises(AttemptOver):
        await index.add(late, EMBEDDER.model, [row], 1)
    with pytest.raises(AttemptOver):
        await index.publish(late)
    await library.index(asha, lease)
    assert await library.indexed_rows(lease) == {"passages.1": 1}
    assert await library.found(asha, "notice") == {lease.document_id}


async def test_a_new_version_replaces_the_sealed_index_of_the_one_before(
    library: Library,
) -> None:
    asha = await library.person()
    lease = await library.add(asha, LEASE, **SEALED)
    newer = await library.replace(asha, lease, "Bicycles stand in the yard.")
    assert await library.found(asha, "notice", mode=SearchMode.KEYWORD) == {lease.document_id}
    await library.index(asha, newer)
    assert await library.found(asha, "notice", mode=SearchMode.KEYWORD) == set()
    assert await library.found(asha, "bicycle", mode=SearchMode.KEYWORD) == {lease.document_id}
    rows = await library.run(
        "SELECT version FROM sealed_index WHERE tenant_id = :tenant AND document_id = :document",
        document=lease.document_id,
    )
    assert [row.version for row in rows] == [2]


async def test_who_waits_too_long_for_a_place_is_told_how_much_was_left_out(
    library: Library,
) -> None:
    asha = await library.person()
    refs = [await library.add(asha, f"{LEASE} {number}", **SEALED) for number in range(2)]
    in_the_open = await library.add(asha, LEASE)
    search = library.container.search()
    one_at_once = replace(search.sealed, wait_seconds_max=0.1, at_once=asyncio.Semaphore(1))
    query = SearchQuery(text="notice")
    asked = {"caller": asha, "query": query, "action": Action.SEARCH}
    async with one_at_once.examine(**asked) as first:  # type: ignore[arg-type]
        assert len(first.opened) == 2
        page = await replace(search, sealed=one_at_once)(caller=asha, query=query)
        assert [hit.passage.version for hit in page.hits] == [in_the_open]
        assert [(each.reason, each.left_out) for each in page.degraded] == [("too_busy", 2)]
    assert first.parts == [], "nothing is kept"
    page = await replace(search, sealed=one_at_once)(caller=asha, query=query)
    assert {hit.passage.version for hit in page.hits} == {in_the_open, *refs}


async def test_a_place_is_given_back_whatever_happens(library: Library) -> None:
    asha = await library.person()
    await library.add(asha, LEASE, **SEALED)
    sealed: SealedSearch = replace(library.container.search().sealed, at_once=asyncio.Semaphore(1))

    async def without_a_log(**_: object) -> None:
        raise Unavailable("The access could not be recorded, so nothing was shown.")

    broken = replace(sealed, gate=without_a_log)  # type: ignore[arg-type]
    asked = {"caller": asha, "query": SearchQuery(text="notice"), "action": Action.SEARCH}
    for _ in range(2):
        with pytest.raises(Unavailable):
            async with broken.examine(**asked):  # type: ignore[arg-type]
                raise AssertionError("it was opened without a release")
    async with sealed.examine(**asked) as examined:  # type: ignore[arg-type]
        assert len(examined.opened) == 1


async def test_a_document_beyond_the_bound_keeps_no_other_from_being_searched(
    library: Library,
) -> None:
    asha = await library.person()
    small = await library.add(asha, LEASE, **SEALED)
    await library.add(asha, "\n\n".join(f"# Part {n}\n\n{LEASE * 9}" for n in range(6)), **SEALED)
    search = library.container.search()
    bounded = replace(search, sealed=replace(search.sealed, passages_max=3))
    page = await bounded(caller=asha, query=SearchQuery(text="notice"))
    assert {hit.passage.version for hit in page.hits} == {small}
    assert [(each.reason, each.left_out) for each in page.degraded] == [("too_many", 1)]
