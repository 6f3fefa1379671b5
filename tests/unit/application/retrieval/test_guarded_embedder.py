"""A search never waits long for an embedder, and hardly at all for one that is known to be down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.embedding.openai_compatible import OpenAICompatibleEmbedder, embedding_client
from adapters.telemetry.embedder_meter import PrometheusEmbedderMeter
from application.retrieval.embedder import EmbedderUnavailable
from application.retrieval.guarded_embedder import (
    PROBE,
    EmbedderResting,
    EmbedderTooSlow,
    GuardedEmbedder,
)
from domain.breaker import BreakerLimits, BreakerState
from tests.scripted_embeddings import DIMENSIONS, EmbeddingServer, embedding_server, response

LIMITS = BreakerLimits(failures_max=3, open_seconds=0.5, open_seconds_max=1.0)
QUESTION = "canary question"
HANGING = 60.0


@asynccontextmanager
async def guarded(
    limits: BreakerLimits = LIMITS, seconds_max: float = 0.3
) -> AsyncIterator[tuple[GuardedEmbedder, EmbeddingServer, PrometheusEmbedderMeter]]:
    async with embedding_server() as server:
        real = OpenAICompatibleEmbedder(
            model="m", dimensions=DIMENSIONS, base_url=server.url, served_model="m", key=None,
            client=embedding_client(),
        )  # fmt: skip
        meter = PrometheusEmbedderMeter()
        embedder = GuardedEmbedder(
            embedder=real, meter=meter, limits=limits, query_seconds_max=seconds_max
        )
        yield embedder, server, meter
        await embedder.close()


async def failing(embedder: GuardedEmbedder) -> tuple[type[EmbedderUnavailable], float]:
    began = time.perf_counter()
    with pytest.raises(EmbedderUnavailable) as refused:
        await embedder.embed_query(QUESTION)
    return refused.type, time.perf_counter() - began


async def test_a_server_that_hangs_costs_a_few_searches_a_bounded_time_and_others_none() -> None:
    async with guarded(BreakerLimits(failures_max=3, open_seconds=60)) as (embedder, server, _):
        server.answer = lambda request: HANGING
        slow = [await failing(embedder) for _ in range(3)]
        assert [kind for kind, _ in slow] == [EmbedderTooSlow] * 3
        assert all(0.25 < seconds < 2 for _, seconds in slow)
        assert embedder.state is BreakerState.OPEN
        rested = [await failing(embedder) for _ in range(100)]
        assert {kind for kind, _ in rested} == {EmbedderResting}
        assert sorted(seconds for _, seconds in rested)[95] < 0.05
        assert len(server.requests) == 3, "it was left alone"


async def test_many_at_once_wait_no_longer_than_one() -> None:
    async with guarded() as (embedder, server, _):
        server.answer = lambda request: HANGING
        began = time.perf_counter()
        refused = await asyncio.gather(*(failing(embedder) for _ in range(40)))
        assert time.perf_counter() - began < 5
        assert {kind for kind, _ in refused} == {EmbedderTooSlow}
        assert embedder.state is BreakerState.OPEN


async def test_one_probe_beside_the_searches_finds_out_that_it_is_back() -> None:
    async with guarded(seconds_max=1.0) as (embedder, server, meter):
        server.answer = lambda request: response("", 500)
        for _ in range(3):
            await failing(embedder)
        server.answer = lambda request: 0.2
        asked = len(server.requests)
        await asyncio.sleep(0.55)
        assert embedder.state is BreakerState.HALF_OPEN
        rested = [await failing(embedder) for _ in range(10)]
        assert all(seconds < 0.15 for _, seconds in rested), "nobody waits for the probe"
        async with asyncio.timeout(10):
            while embedder.state is not BreakerState.CLOSED:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert [each.texts for each in server.requests[asked:]] == [[PROBE]]
        assert len(await embedder.embed_query(QUESTION)) == DIMENSIONS
        counted = {
            sample.labels["outcome"]: sample.value
            for sample in next(iter(meter.collectors[0].collect())).samples
            if sample.name.endswith("_total")
        }
        assert counted == {"unavailable": 3, "resting": 10, "embedded": 2}


async def test_a_probe_that_fails_lets_it_rest_for_longer() -> None:
    async with guarded() as (embedder, server, _):
        server.answer = lambda request: HANGING
        for _ in range(3):
            await failing(embedder)
        await asyncio.sleep(0.55)
        await failing(embedder)
        async with asyncio.timeout(10):
            while embedder.state is not BreakerState.OPEN:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert len(server.requests) == 4


async def test_who_gives_up_says_nothing_about_the_embedder() -> None:
    async with guarded(seconds_max=5) as (embedder, server, _):
        server.answer = lambda request: HANGING
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await embedder.embed_query(QUESTION)
        assert embedder.state is BreakerState.CLOSED


async def test_closing_ends_a_probe() -> None:
    async with guarded(seconds_max=0.3) as (embedder, server, _):
        server.answer = lambda request: HANGING
        for _ in range(3):
            await failing(embedder)
        await asyncio.sleep(0.55)
        await failing(embedder)
        await embedder.close()
        assert [task for task in asyncio.all_tasks() if task.get_name() == "embedder-probe"] == []
