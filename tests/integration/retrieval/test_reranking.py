"""A reranker in the search: it orders what was released, sees nothing else, and may fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from adapters.memory.reranker import OverlapReranker
from application.retrieval.reranker import Reranker, RerankerTooSlow, RerankerUnavailable
from application.retrieval.search import SearchPage
from domain.identity import Caller
from domain.retrieval.query import SearchQuery
from tests.integration.retrieval.library import Library


@dataclass
class Listening:
    """What a reranker is shown; it fails with `failure` if there is one."""

    model: str = "listening"
    failure: Exception | None = None
    shown: list[str] = field(default_factory=list)

    async def rerank(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        self.shown += passages
        if self.failure is not None:
            raise self.failure
        return [float(place) for place in range(len(passages))]

    async def close(self) -> None:
        pass


async def test_the_best_are_shown_to_it_and_come_in_its_order(library: Library) -> None:
    asha = await library.person()
    for number in range(6):
        await library.add(asha, "cedar " * (6 - number) + f"grain {number}", title=f"Tree {number}")
    plain = await _search(library, asha, None)
    listening = Listening()
    page = await _search(library, asha, listening, limit=3, rerank_passages=4)
    assert len(listening.shown) == 4
    assert all(text.startswith("Tree ") for text in listening.shown)
    order = [hit.passage.id for hit in plain.hits[:4]]
    assert [hit.passage.id for hit in page.hits] == order[:0:-1]
    assert [hit.score for hit in page.hits] == sorted(
        (hit.score for hit in page.hits), reverse=True
    )
    assert page.degraded == plain.degraded


async def test_it_finds_what_the_first_ranking_put_further_down(library: Library) -> None:
    asha = await library.person()
    for _ in range(4):
        await library.add(asha, "cedar cedar cedar cedar cedar")
    wanted = await library.add(asha, "Long ago, and of no use at all: the cedar has a grain " * 3)
    page = await _search(library, asha, OverlapReranker(), words="cedar has a grain", limit=1)
    assert page.hits[0].passage.version == wanted


async def test_it_is_shown_only_what_the_gate_released_and_the_log_tells_of_all_of_it(
    library: Library,
) -> None:
    asha, ben = await library.person(), await library.person()
    shared = await library.add(asha, "The cedar that is shared.")
    await library.share(asha, shared, ben, max_uses=1)
    await library.add(asha, "The cedar that is hidden.")
    await library.add(ben, "The cedar that is one's own.")
    listening = Listening()
    await _search(library, ben, listening, limit=1)
    assert sorted(text.split()[-1] for text in listening.shown) == ["own.", "shared."]
    released = await library.run(
        "SELECT DISTINCT r.document_id FROM audit_events e"
        " JOIN audit_resources r ON r.tenant_id = e.tenant_id AND r.event_id = e.id"
        " WHERE e.tenant_id = :tenant AND e.type = 'release' AND e.action = 'search'"
        " AND e.actor_id = :person",
        person=ben.person_id,
    )
    assert len(released) == 2
    again = Listening()  # the one use is used up
    await _search(library, ben, again, limit=1)
    assert [text.split()[-1] for text in again.shown] == ["own."]


async def test_where_it_fails_the_order_is_kept_and_the_step_is_named(library: Library) -> None:
    asha = await library.person()
    for number in range(4):
        await library.add(asha, "cedar " * (4 - number) + f"grain {number}")
    plain = await _search(library, asha, None, limit=3)
    for failure, reason in (
        (RerankerUnavailable(), "reranker_unavailable"),
        (RerankerTooSlow(), "reranker_too_slow"),
    ):
        page = await _search(library, asha, Listening(failure=failure), limit=3)
        assert [(hit.passage, hit.score) for hit in page.hits] == [
            (hit.passage, hit.score) for hit in plain.hits
        ]
        told = [(each.step, each.reason) for each in page.degraded]
        assert told == [*((e.step, e.reason) for e in plain.degraded), ("rerank", reason)]


async def test_nothing_is_asked_of_it_for_nothing(library: Library) -> None:
    listening = Listening()
    page = await _search(library, await library.person(), listening)
    assert list(page.hits) == []
    assert listening.shown == []


async def _search(
    library: Library,
    caller: Caller,
    reranker: Reranker | None,
    *,
    words: str = "cedar grain",
    limit: int = 10,
    rerank_passages: int = 20,
) -> SearchPage:
    search = replace(library.container.search(), reranker=reranker, rerank_passages=rerank_passages)
    return await search(caller=caller, query=SearchQuery(text=words, limit=limit))
