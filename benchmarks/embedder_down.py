"""A search whose embedder is down, beside the same search by words alone.

    python -m benchmarks embedder_down [--rounds N] [--searches N]

The embedder is a server on a real socket that refuses connections, or takes requests and never
answers one. The breaker is open, as it is after the first failures: what these cost is told apart.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from adapters.embedding.hashing import HashingEmbedder
from adapters.embedding.openai_compatible import OpenAICompatibleEmbedder, embedding_client
from adapters.telemetry.embedder_meter import PrometheusEmbedderMeter
from application.retrieval.guarded_embedder import GuardedEmbedder
from application.retrieval.meaning import Meanings
from application.retrieval.search import Search
from benchmarks.deployment import fresh_deployment, shared_document, two_people
from benchmarks.measure import ROUNDS_MIN, Figures, Goal, by_turns, report
from domain.breaker import BreakerLimits, BreakerState
from domain.identity import Caller
from domain.retrieval.query import SearchMode, SearchQuery

FIGURE = "milliseconds_per_search"
SEARCHES = 100
BY_WORDS, HANGING, REFUSING = "by words alone", "embedder hangs", "embedder refuses"
LIMITS = BreakerLimits(failures_max=3, open_seconds=3600, open_seconds_max=3600)


async def measure(rounds: int, searches: int) -> None:
    async with fresh_deployment() as container, _hanging() as hangs:
        container.embedder.override(HashingEmbedder())
        owner, reader = await two_people(container)
        document = await shared_document(container, owner, reader)
        await container.index_version()(caller=owner, version=document.current.ref)
        slowest: dict[str, float] = {}

        def side(search: Search, mode: SearchMode) -> Callable[[], Awaitable[Figures]]:
            async def run() -> Figures:
                began = time.perf_counter()
                for _ in range(searches):
                    await _search(search, owner, mode)
                return {FIGURE: 1000 * (time.perf_counter() - began) / searches}

            return run

        sides = {BY_WORDS: side(container.search(), SearchMode.KEYWORD)}
        for name, port in ((HANGING, hangs), (REFUSING, await _nobody())):
            guarded = _guarded(port)
            search = replace(container.search(), meanings=Meanings(embedder=guarded))
            slowest[name] = await _until_open(search, guarded, owner)
            sides[name] = side(search, SearchMode.HYBRID)
        for warm in sides.values():
            await warm()
        measured = await by_turns("embedder_down", sides, rounds=rounds)
        await container.extraction().close()
    report(
        measured,
        goals=[
            Goal(figure=FIGURE, side=name, against=BY_WORDS, ratio_max=1.2)
            for name in (HANGING, REFUSING)
        ],
        notes=[
            "Every answer was checked: the hit, its mode (keyword), and embedder_resting.",
            *(
                f"{name}: the slowest search before the breaker opened took {took:.0f} ms."
                for name, took in slowest.items()
            ),
        ],
    )


async def _search(search: Search, caller: Caller, mode: SearchMode) -> None:
    page = await search(caller=caller, query=SearchQuery(text="rent", mode=mode))
    assert page.mode is SearchMode.KEYWORD
    assert [each.reason for each in page.degraded if each.step == "semantic"] == (
        [] if mode is SearchMode.KEYWORD else ["embedder_resting"]
    )


async def _until_open(search: Search, guarded: GuardedEmbedder, caller: Caller) -> float:
    """Milliseconds of the slowest of the searches that it took."""
    slowest = 0.0
    while guarded.state is BreakerState.CLOSED:
        began = time.perf_counter()
        await search(caller=caller, query=SearchQuery(text="rent"))
        slowest = max(slowest, 1000 * (time.perf_counter() - began))
    return slowest


def _guarded(port: int) -> GuardedEmbedder:
    there = HashingEmbedder()
    return GuardedEmbedder(
        embedder=OpenAICompatibleEmbedder(
            model=there.model,
            dimensions=there.dimensions,
            base_url=f"http://127.0.0.1:{port}/v1",
            served_model="m",
            key=None,
            client=embedding_client(),
        ),
        meter=PrometheusEmbedderMeter(),
        limits=LIMITS,
    )


@asynccontextmanager
async def _hanging() -> AsyncIterator[int]:
    """A port where requests are taken and never answered."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(64 * 1024):
            pass
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _nobody() -> int:
    """A port where nobody listens."""
    async with _hanging() as port:
        return port


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks embedder_down")
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN)
    parser.add_argument("--searches", type=int, default=SEARCHES)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.rounds, arguments.searches))


if __name__ == "__main__":
    main()
