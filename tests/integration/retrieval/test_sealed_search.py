"""What is sealed is found as if it were in the open index, by those who may search it."""

from __future__ import annotations

import pytest

from domain.identity import Action
from domain.retrieval.query import Results, SearchMode
from domain.vault.document import IndexMode
from tests.integration.retrieval.library import Library

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


async def test_a_grant_to_search_is_none_to_quote(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    lease = await library.add(asha, LEASE, **SEALED)
    await library.share(asha, lease, ben, actions=[Action.SEARCH])
    assert await library.found(ben, "notice") == {lease.document_id}
    assert await library.found(ben, "notice", action=Action.QUOTE) == set()
    await library.share(asha, lease, ben, actions=[Action.QUOTE])
    assert await library.found(ben, "notice", action=Action.QUOTE) == {lease.document_id}
