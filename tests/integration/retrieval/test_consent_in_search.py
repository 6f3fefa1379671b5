"""A search finds what one may search at this moment, for this purpose, and nothing else."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from adapters.postgres.engine import Database
from domain.identity import Action
from domain.retrieval.query import SearchMode
from domain.vault.document import IndexMode
from tests.integration.conftest import new_tenant
from tests.integration.retrieval.library import Library

LEASE = "The lease of the flat in Marienstrasse ends in March. Notice is due three months before."
EVERY_MODE = pytest.mark.parametrize("mode", list(SearchMode))


@EVERY_MODE
async def test_ones_own_documents_are_found_whatever_the_purpose(
    library: Library, mode: SearchMode
) -> None:
    asha = await library.person()
    lease = await library.add(asha, LEASE, title="Lease")
    page = await library.search(asha, "when is notice due", mode=mode, purpose="research")
    (hit,) = page.hits
    assert hit.passage.version == lease
    assert hit.passage.text == LEASE
    assert hit.passage.title == "Lease"
    assert (hit.passage.start, hit.passage.end) == (0, len(LEASE))
    assert hit.grant_id is None
    assert (page.mode, page.degraded) == (mode, [])


@EVERY_MODE
async def test_without_a_grant_nothing_of_others_is_found(
    library: Library, mode: SearchMode
) -> None:
    asha, ben = await library.person(), await library.person()
    await library.add(asha, LEASE)
    page = await library.search(ben, "when is notice due", mode=mode)
    assert (page.hits, page.degraded) == ([], [])


@EVERY_MODE
async def test_a_grant_shows_the_document_for_its_purpose_only(
    library: Library, mode: SearchMode
) -> None:
    asha, ben, carla = [await library.person() for _ in range(3)]
    shared = await library.add(asha, LEASE)
    await library.add(asha, LEASE)
    grant = await library.share(asha, shared, ben, purpose="care")
    page = await library.search(ben, "notice of the lease", mode=mode, purpose="care")
    assert [(hit.passage.version, hit.grant_id) for hit in page.hits] == [(shared, grant.id)]
    assert await library.found(ben, "notice of the lease", mode=mode) == set()
    assert await library.found(ben, "notice of the lease", mode=mode, purpose="research") == set()
    assert await library.found(carla, "notice of the lease", mode=mode, purpose="care") == set()


async def test_a_grant_to_read_is_no_grant_to_search_and_search_none_to_quote(
    library: Library,
) -> None:
    asha, ben = await library.person(), await library.person()
    lease = await library.add(asha, LEASE)
    await library.share(asha, lease, ben, actions=[Action.READ])
    assert await library.found(ben, "notice") == set()
    await library.share(asha, lease, ben, actions=[Action.SEARCH])
    assert await library.found(ben, "notice") == {lease.document_id}
    assert await library.found(ben, "notice", action=Action.QUOTE) == set()
    await library.share(asha, lease, ben, actions=[Action.QUOTE])
    assert await library.found(ben, "notice", action=Action.QUOTE) == {lease.document_id}


async def test_a_grant_holds_from_its_beginning_until_its_end(library: Library) -> None:
    asha, ben, carl, dora = [await library.person() for _ in range(4)]
    lease = await library.add(asha, LEASE)
    soon, long = timedelta(seconds=0.3), timedelta(hours=1)
    await library.share(asha, lease, ben, begins=long, lasts=long)
    await library.share(asha, lease, carl, begins=soon, lasts=long)
    await library.share(asha, lease, dora, begins=timedelta(), lasts=soon)
    await asyncio.sleep(2 * soon.total_seconds())
    assert await library.found(ben, "notice") == set()
    assert await library.found(carl, "notice") == {lease.document_id}
    assert await library.found(dora, "notice") == set()


async def test_a_revoked_grant_hides_the_document_at_once(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    lease = await library.add(asha, LEASE)
    grant = await library.share(asha, lease, ben)
    assert await library.found(ben, "notice") == {lease.document_id}
    await library.container.revoke_grant()(caller=asha, grant_id=grant.id)
    assert await library.found(ben, "notice") == set()


async def test_a_grant_whose_consent_is_not_in_force_is_none(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    lease = await library.add(asha, LEASE)
    grant = await library.share(asha, lease, ben)
    event = (
        "INSERT INTO consent_events"
        " (tenant_id, consent_id, seq, event_type, event_state, entity_id, event_time)"
        " VALUES (:tenant, :consent, :seq, 'test', :state, :by, clock_timestamp())"
    )
    asserted = {"withdrawn": set(), "renewed": {lease.document_id}, "expired": set()}
    for seq, (state, found) in enumerate(asserted.items(), start=2):
        await library.run(event, consent=grant.consent_id, seq=seq, state=state, by=asha.person_id)
        assert await library.found(ben, "notice") == found, state


async def test_a_grant_that_is_used_up_finds_nothing_more(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    lease = await library.add(asha, LEASE)
    await library.share(asha, lease, ben, max_uses=2)
    assert await library.found(ben, "notice") == {lease.document_id}
    assert await library.found(ben, "nothing that occurs there", mode=SearchMode.KEYWORD) == set()
    assert await library.found(ben, "notice") == {lease.document_id}
    assert await library.found(ben, "notice") == set()


async def test_a_page_is_filled_up_when_the_gate_refuses_what_was_visible(
    library: Library,
) -> None:
    """Eight searches at once see the shared document, whose grant is good for three."""
    asha, ben = await library.person(), await library.person()
    best = await library.add(asha, "notice notice notice notice")
    await library.add(ben, "A notice on the wall, among other things that hang there.")
    await library.share(asha, best, ben, max_uses=3)
    pages = await asyncio.gather(*(library.search(ben, "notice", limit=1) for _ in range(8)))
    tops = [page.hits[0].passage.version == best for page in pages]
    assert all(len(page.hits) == 1 for page in pages)
    assert sum(tops) == 3


async def test_another_tenant_has_nothing_to_do_with_it(
    database: Database, library: Library
) -> None:
    asha = await library.person()
    await library.add(asha, LEASE)
    elsewhere = Library(
        container=library.container, engine=library.engine, tenant_id=await new_tenant(database)
    )
    assert await elsewhere.found(await elsewhere.person(), "notice") == set()


async def test_what_is_kept_out_of_the_index_is_ready_and_not_in_it(library: Library) -> None:
    asha = await library.person()
    lease = await library.add(asha, LEASE, index_mode=IndexMode.NONE)
    assert await library.found(asha, "notice") == set()
    assert await library.indexed_rows(lease) == {}
    assert [state for _, state in await library.states(lease)] == [
        "received",
        "extracting",
        "ready",
    ]


async def test_a_search_can_be_narrowed_down_and_never_widened(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    hidden, one, other = [await library.add(owner, LEASE) for owner in (asha, ben, ben)]
    wanted = frozenset({hidden.document_id, one.document_id})
    assert await library.found(ben, "notice", document_ids=wanted) == {one.document_id}
    assert await library.found(ben, "notice") == {one.document_id, other.document_id}


async def test_every_page_rests_on_one_release_of_what_it_shows(library: Library) -> None:
    asha = await library.person()
    refs = {await library.add(asha, f"{LEASE} {number}") for number in range(3)}
    page = await library.search(asha, "notice", limit=2)
    (release_id,) = {hit.release_id for hit in page.hits}
    rows = await library.run(
        "SELECT document_id FROM audit_resources WHERE tenant_id = :tenant AND event_id = :release",
        release=release_id,
    )
    shown = {hit.passage.version.document_id for hit in page.hits}
    assert {row.document_id for row in rows} == shown < {ref.document_id for ref in refs}


@EVERY_MODE
@pytest.mark.parametrize("words", ["the of and", "?!", "¿", "ü", "🙂", "a" * 2_000, "'; --", "\\"])
async def test_any_words_can_be_searched_for(
    library: Library, mode: SearchMode, words: str
) -> None:
    asha = await library.person()
    lease = await library.add(asha, LEASE)
    page = await library.search(asha, words, mode=mode)
    assert {hit.passage.version for hit in page.hits} <= {lease}


async def test_a_query_of_stop_words_is_answered_by_meaning_and_says_so(library: Library) -> None:
    asha = await library.person()
    await library.add(asha, LEASE)
    page = await library.search(asha, "of the and")
    assert page.mode is SearchMode.SEMANTIC
    assert [(each.step, each.reason) for each in page.degraded] == [
        ("keyword", "no_searchable_words")
    ]
    assert len(page.hits) == 1
