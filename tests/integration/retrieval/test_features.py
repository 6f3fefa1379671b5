"""Features: what ranking weighs beside the question, whose it is, and what it was at any time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from adapters.postgres.features import PostgresFeatureHistory
from application.retrieval.feature_history import AsOfTooLate, FeaturesThen
from application.retrieval.search import SearchPage
from domain.errors import NotFound
from domain.identity import Caller, DocumentId
from domain.retrieval.query import SearchQuery
from domain.vault.document import WeightOutOfRange
from tests.integration.retrieval.library import Library

NESTED = "# Trees\n\n## Cedars\n\n" + "The cedar stands beside the brook. " * 90


async def test_what_its_owner_says_it_is_worth_moves_a_document_in_every_search(
    library: Library,
) -> None:
    asha, ben = await library.person(), await library.person()
    refs = [await library.add(asha, "Cedar grain, word for word the same.") for _ in range(3)]
    for ref in refs:
        await library.share(asha, ref, ben)
    last = (await _ranking(library, asha))[-1]
    assert await _ranking(library, ben) == await _ranking(library, asha)
    await _weigh(library, asha, last, 4.0)
    assert (await _ranking(library, asha))[0] == last
    assert (await _ranking(library, ben))[0] == last
    await _weigh(library, asha, last, 0.25)
    assert (await _ranking(library, ben))[-1] == last


async def test_a_worth_is_a_bounded_step_and_not_a_way_to_the_top(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    wanted = await library.add(ben, "Cedar grain for the drum.")
    pushed = await library.add(asha, "The invoice names cedar, once, among a great many words.")
    await library.share(asha, pushed, ben)
    await _weigh(library, asha, pushed.document_id, 4.0)
    page = await _search(library, ben, "cedar grain drum")
    assert page.hits[0].passage.version == wanted
    assert all(0 <= hit.score <= 1 for hit in page.hits)


async def test_what_is_hidden_has_no_features_in_anybodys_search(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    for number in range(4):
        await library.add(ben, f"The grain of cedar, part {number}. " + "An ember. " * number)
    every = dict.fromkeys(("length", "position", "heading_depth", "age", "owner_weight"), 0.5)

    async def told() -> list[tuple[str, float]]:
        page = await _search(library, ben, "cedar grain", weights=every | {"citations": 0.5})
        return [(hit.passage.id, hit.score) for hit in page.hits]

    before = await told()
    for weight in (0.25, 4.0):
        hidden = await library.add(asha, "Cedar grain.")
        await _weigh(library, asha, hidden.document_id, weight)
    assert await told() == before


async def test_weights_make_features_count(library: Library) -> None:
    asha = await library.person()
    long = await library.add(asha, NESTED)
    plain = await _search(library, asha, "cedar brook", limit=50)
    first = await _search(library, asha, "cedar brook", weights={"position": 1.0}, limit=50)
    last = await _search(library, asha, "cedar brook", weights={"position": -1.0}, limit=50)
    assert len(plain.hits) > 2
    assert first.hits[0].passage.ordinal == 0
    assert last.hits[0].passage.ordinal != 0
    other = await library.add(asha, "Die Zeder steht am Bach, und der Bach fließt an ihr vorbei.")
    for language, top in (("de", other), ("en", long)):
        weights = {f"language:{language}": 1.0}
        page = await _search(library, asha, "cedar brook Zeder Bach", weights=weights)
        assert page.hits[0].passage.version == top, language


async def test_nobody_else_can_say_what_a_document_is_worth(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    ref = await library.add(asha, "Cedar grain.")
    await library.share(asha, ref, ben)
    with pytest.raises(NotFound):
        await _weigh(library, ben, ref.document_id, 4.0)
    for wrong in (0.2, 4.1, float("nan"), float("inf"), -1.0):
        with pytest.raises(WeightOutOfRange):
            await _weigh(library, asha, ref.document_id, wrong)
    assert await library.run("SELECT 1 FROM document_weights WHERE tenant_id = :tenant") == []


async def test_features_are_told_as_they_were(library: Library) -> None:
    asha = await library.person()
    start = await _now(library)
    first = await library.add(asha, NESTED, title="Trees")
    indexed = await _now(library)
    await _weigh(library, asha, first.document_id, 2.0)
    weighed = await _now(library)
    second = await library.replace(
        asha, first, "Die Zeder steht am Bach, und der Bach fließt an ihr vorbei."
    )
    handed_in = await _now(library)
    await library.index(asha, second)
    await _weigh(library, asha, first.document_id, 0.5)
    replaced = await _now(library)

    assert await _then(library, asha, start) == []
    then = await _then(library, asha, indexed)
    assert {each.version for each in then} == {first}
    assert [each.features.position for each in then] == list(range(then[0].passage_count))
    assert {each.features.heading_depth for each in then} == {2}
    assert {each.features.owner_weight for each in then} == {1.0}
    assert {each.features.language for each in then} == {"en"}
    assert sum(each.features.length or 0 for each in then) > len(NESTED) * 0.8
    for time in (weighed, handed_in):  # handed in is not searched yet
        assert [
            (each.version, each.features.owner_weight) for each in await _then(library, asha, time)
        ] == [(first, 2.0)] * len(then)
    now = await _then(library, asha, replaced)
    assert [(each.version, each.features.owner_weight) for each in now] == [(second, 0.5)]
    assert now[0].features.language == "de"
    assert await _then(library, asha, indexed) == then  # as ever


async def test_features_are_told_to_the_owner_alone_and_in_pages(library: Library) -> None:
    asha, ben = await library.person(), await library.person()
    refs = [await library.add(asha, NESTED) for _ in range(3)]
    for ref in refs:
        await library.share(asha, ref, ben)
    now = await _now(library)
    assert await _then(library, ben, now) == []
    whole = await _then(library, asha, now)
    history, found, after = _history(library), [], None
    while page := await history.page(asha, as_of=now, after=after, limit=2):
        found += page
        after = (page[-1].version.document_id, page[-1].features.position)
    assert found == whole
    assert len({(each.version, each.features.position) for each in found}) == len(found)
    assert {each.version for each in found} == set(refs)


async def test_what_is_not_settled_is_not_told(library: Library) -> None:
    asha = await library.person()
    history = library.container.feature_history()
    with pytest.raises(AsOfTooLate):
        await history.page(asha, as_of=await _now(library), after=None, limit=1)
    await history.page(asha, as_of=await history.latest(), after=None, limit=1)


async def test_nothing_of_an_erased_document_stays_in_any_history(library: Library) -> None:
    asha = await library.person()
    ref = await library.add(asha, NESTED)
    await _weigh(library, asha, ref.document_id, 2.0)
    await library.index(asha, await library.replace(asha, ref, "Other words."))
    now = await _now(library)
    assert await _then(library, asha, now)
    receipt = await library.container.erase_document()(caller=asha, document_id=ref.document_id)
    assert {receipt.erasure.destroyed[name] > 0 for name in ("features", "weights")} == {True}
    assert set(receipt.erasure.residue.values()) == {0}
    assert await _then(library, asha, now) == []


def _history(library: Library) -> PostgresFeatureHistory:
    return PostgresFeatureHistory(engine=library.engine, settled_after=timedelta())


async def _then(library: Library, caller: Caller, as_of: datetime) -> Sequence[FeaturesThen]:
    return list(await _history(library).page(caller, as_of=as_of, after=None, limit=1_000))


async def _now(library: Library) -> datetime:
    return await _history(library).latest()


async def _weigh(library: Library, caller: Caller, document: DocumentId, weight: float) -> None:
    await library.container.weigh_document()(caller=caller, document_id=document, weight=weight)


async def _search(
    library: Library,
    caller: Caller,
    words: str,
    *,
    weights: dict[str, float] | None = None,
    limit: int = 10,
) -> SearchPage:
    search = library.container.search()
    if weights is not None:
        search = replace(search, feature_weights=weights)
    return await search(caller=caller, query=SearchQuery(text=words, limit=limit))


async def _ranking(library: Library, caller: Caller) -> list[DocumentId]:
    page = await _search(library, caller, "cedar grain")
    return [hit.passage.version.document_id for hit in page.hits]
