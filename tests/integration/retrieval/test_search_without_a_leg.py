"""When a step cannot be done the search goes on without it, and says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median

import pytest

from adapters.embedding.openai_compatible import OpenAICompatibleEmbedder, embedding_client
from adapters.telemetry.embedder_meter import PrometheusEmbedderMeter
from application.retrieval.embedder import EmbedderUnavailable, Vector
from application.retrieval.guarded_embedder import GuardedEmbedder
from application.retrieval.meaning import Meanings
from application.retrieval.search import SearchPage
from domain.breaker import BreakerLimits
from domain.retrieval.query import SearchMode, SearchQuery
from tests.integration.retrieval.library import EMBEDDER, Library
from tests.scripted_embeddings import embedding_server


@dataclass
class _Failing:
    """An embedder that was good at indexing time, and is slow or down now."""

    seconds: float
    model: str = EMBEDDER.model
    dimensions: int = EMBEDDER.dimensions
    asked: int = 0

    async def embed_query(self, text: str) -> Vector:
        self.asked += 1
        await asyncio.sleep(self.seconds)
        raise EmbedderUnavailable

    embed_passages = EMBEDDER.embed_passages


@pytest.mark.parametrize(
    ("seconds", "reason"), [(0.0, "embedder_unavailable"), (30.0, "embedder_too_slow")]
)
@pytest.mark.parametrize("mode", [SearchMode.HYBRID, SearchMode.SEMANTIC])
async def test_without_the_embedder_words_are_searched_for(
    library: Library, seconds: float, reason: str, mode: SearchMode
) -> None:
    asha = await library.person()
    await library.add(asha, "The cedar stands beside the brook.")
    began = time.monotonic()
    page = await _search(library, _Failing(seconds), asha, mode)
    assert time.monotonic() - began < 5
    assert len(page.hits) == 1
    assert page.mode is SearchMode.KEYWORD
    assert [(each.step, each.reason) for each in page.degraded] == [("semantic", reason)]


async def test_an_embedder_that_hangs_costs_a_search_less_than_50_ms(
    library: Library, figure: Callable[[str], None]
) -> None:
    """A real server that takes requests and never answers: bounded at first, then left alone."""
    asha = await library.person()
    await library.add(asha, "The cedar stands beside the brook.")
    async with embedding_server(lambda request: 600.0) as server, embedding_client() as client:
        hanging = OpenAICompatibleEmbedder(
            model=EMBEDDER.model, dimensions=EMBEDDER.dimensions, base_url=server.url,
            served_model="m", key=None, client=client,
        )  # fmt: skip
        guarded = GuardedEmbedder(
            embedder=hanging,
            meter=PrometheusEmbedderMeter(),
            limits=BreakerLimits(failures_max=3, open_seconds=600),
        )
        search = replace(library.container.search(), meanings=Meanings(embedder=guarded))

        async def timed(mode: SearchMode) -> tuple[float, SearchPage]:
            began = time.perf_counter()
            page = await search(caller=asha, query=SearchQuery(text="cedar brook", mode=mode))
            return time.perf_counter() - began, page

        before = [await timed(SearchMode.HYBRID) for _ in range(3)]
        assert max(seconds for seconds, _ in before) < 5
        by_words, degraded = [], []
        for _ in range(30):  # in turn, so that whatever else the machine does meets both
            by_words.append((await timed(SearchMode.KEYWORD))[0])
            seconds, page = await timed(SearchMode.HYBRID)
            degraded.append(seconds)
            assert (page.mode, len(page.hits)) == (SearchMode.KEYWORD, 1)
            assert [(each.step, each.reason) for each in page.degraded] == [
                ("semantic", "embedder_resting")
            ]
    lost = median(degraded) - median(by_words)
    figure(
        f"with the embedder hanging a search takes {median(degraded) * 1000:.1f} ms, by words alone"
        f" {median(by_words) * 1000:.1f} ms: {lost * 1000:.1f} ms lost"
    )
    assert lost < 0.05
    assert len(server.requests) == 3


async def test_a_search_by_words_does_not_ask_the_embedder(library: Library) -> None:
    asha = await library.person()
    await library.add(asha, "The cedar stands beside the brook.")
    failing = _Failing(0.0)
    page = await _search(library, failing, asha, SearchMode.KEYWORD)
    assert (len(page.hits), page.degraded, failing.asked) == (1, [], 0)


async def test_vectors_of_another_model_are_not_compared(library: Library) -> None:
    asha = await library.person()
    await library.add(asha, "The cedar stands beside the brook.")
    search = replace(library.container.search(), meanings=Meanings(embedder=_OtherModel()))
    page = await search(caller=asha, query=SearchQuery(text="cedar", mode=SearchMode.SEMANTIC))
    assert (page.mode, page.hits[0].semantic) == (SearchMode.KEYWORD, None)
    assert [(each.step, each.reason) for each in page.degraded] == [
        ("semantic", "embedder_not_configured")
    ]


class _OtherModel:
    model = "other-1"
    dimensions = EMBEDDER.dimensions
    embed_query = EMBEDDER.embed_query
    embed_passages = EMBEDDER.embed_passages


async def _search(
    library: Library, embedder: _Failing, caller: object, mode: SearchMode
) -> SearchPage:
    guarded = GuardedEmbedder(embedder=embedder, meter=PrometheusEmbedderMeter())
    search = replace(library.container.search(), meanings=Meanings(embedder=guarded))
    query = SearchQuery(text="cedar brook", mode=mode)
    return await search(caller=caller, query=query)  # type: ignore[arg-type]
