"""What ranking takes into account beside the words of the text."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from application.retrieval.search import SearchPage
from domain.identity import Caller, TenantId, VersionRef
from domain.retrieval.query import SearchMode, SearchQuery
from tests.integration.retrieval.library import EMBEDDER, Library


async def test_a_word_in_the_title_says_more_than_one_in_the_text(library: Library) -> None:
    asha = await library.person()
    in_text = await library.add(asha, "The cedar grows beside the brook.", title="Notes")
    in_title = await library.add(asha, "The notes were made beside a brook.", title="Cedar")
    page = await library.search(asha, "cedar", mode=SearchMode.KEYWORD)
    assert [hit.passage.version for hit in page.hits] == [in_title, in_text]


async def test_a_word_in_the_heading_says_more_than_one_in_the_text(library: Library) -> None:
    asha = await library.person()
    part = "# {}\n\nThe {} was mended in spring, and again in autumn. " + "It rained. " * 80
    text = "\n\n".join(part.format(*each) for each in [("Roof", "gate"), ("Gate", "roof")])
    await library.add(asha, text)
    page = await library.search(asha, "gate", mode=SearchMode.KEYWORD)
    assert page.hits[0].passage.heading_path == ("Gate",)


async def test_feedback_prefers_what_is_like_the_best_hits(library: Library) -> None:
    asha = await library.person()
    best = await library.add(asha, "cedar grain timber plank joinery")
    alike = await library.add(asha, "grain timber plank joinery bench")
    other = await library.add(asha, "grain ledger invoice payment balance")
    without, with_it = [
        await _ranked(library, asha, "cedar grain", feedback_weight=weight) for weight in (0, 1)
    ]
    assert _versions(with_it)[0] == best
    gained = {
        hit.passage.version: (hit.semantic or 0.0) - (before.semantic or 0.0)
        for hit in with_it.hits
        for before in without.hits
        if before.passage.version == hit.passage.version
    }
    assert gained[alike] > gained[other]


async def test_feedback_stays_within_what_the_asker_may_see(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    for text in ("cedar grain timber plank", "grain timber bench", "grain ledger invoice"):
        await library.add(ben, text)
    before = await _ranked(library, ben, "cedar grain", feedback_weight=1)
    for _ in range(5):
        await library.add(asha, "cedar grain ledger invoice")
    after = await _ranked(library, ben, "cedar grain", feedback_weight=1)
    assert [(hit.passage, hit.score) for hit in before.hits] == [
        (hit.passage, hit.score) for hit in after.hits
    ]
    passages = library.container.passages()
    hidden = await library.run("SELECT id FROM passages WHERE tenant_id = :tenant ORDER BY id")
    ids = [row.id for row in hidden]
    elsewhere = replace(ben, tenant_id=TenantId(UUID(int=1)))
    assert await passages.closeness(elsewhere, ids, ids[:3], EMBEDDER.model) == {}
    assert await passages.closeness(ben, ids, ids[:3], "another model") == {}
    assert await passages.closeness(ben, ids[:2], [], EMBEDDER.model) == {}


async def _ranked(library: Library, caller: Caller, words: str, **changed: float) -> SearchPage:
    search = replace(library.container.search(), **changed)
    return await search(caller=caller, query=SearchQuery(text=words))


def _versions(page: SearchPage) -> list[VersionRef]:
    return [hit.passage.version for hit in page.hits]


async def test_what_is_written_together_is_told_apart_also_where_it_was_indexed_before(
    library: Library,
) -> None:
    asha = await library.person()
    texts = ["The service runs v1.2.3 since May.", "The service runs v1.3.2 since May."]
    refs = [await library.add(asha, text) for text in texts]
    for ref, asked in zip(refs, ("V1.2.3", "v1-3-2"), strict=True):
        page = await library.search(asha, asked, mode=SearchMode.KEYWORD)
        assert page.hits[0].passage.version == ref
        assert page.hits[0].score > page.hits[1].score
    lengths = "SELECT DISTINCT length FROM postings WHERE tenant_id = :tenant AND owner_id = :owner"
    counted = await library.run(lengths, owner=asha.person_id)
    assert [row.length for row in counted] == [7], "what is written together makes nothing longer"
    for change in (
        "DELETE FROM postings WHERE tenant_id = :tenant AND lexeme = 'v1.3.2'",
        "UPDATE documents SET analysis = 1 WHERE tenant_id = :tenant AND id = :document",
    ):
        await library.run(change, document=refs[1].document_id)
    page = await library.search(asha, "v1.3.2", mode=SearchMode.KEYWORD)
    assert page.hits[0].score == page.hits[1].score, "only its parts are known"
    assert await library.container.reanalyse_versions()() >= 1
    page = await library.search(asha, "v1.3.2", mode=SearchMode.KEYWORD)
    assert page.hits[0].passage.version == refs[1]
    assert page.hits[0].score > page.hits[1].score
