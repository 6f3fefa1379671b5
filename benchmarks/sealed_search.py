"""Searching what is sealed, beside the same in the open index.

    python -m benchmarks sealed_search [--rounds N] [--searches N] [--documents N ...]

Somebody's documents of a hundred passages each, once with a sealed index and once with an open one;
hybrid searches one after another, through the use case and the release gate, without HTTP.
Vectors are of the hashing embedder, so that no model is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence

from dependency_injector import providers

from adapters.embedding.hashing import HashingEmbedder
from application.vault.add_document import DocumentDetails
from benchmarks.deployment import fresh_deployment, people
from benchmarks.measure import ROUNDS_MIN, Figures, Side, by_turns, percentile, report
from domain.identity import Caller
from domain.retrieval.query import SearchQuery
from domain.vault.document import Description, IndexMode
from entrypoints.container import Container

SEARCHES = 20
PASSAGES = 100
DOCUMENTS = (10, 100)
WORDS = [
    f"{begin}{middle}{end}"
    for begin in "bdklmnrst"
    for middle in ("a", "ei", "o", "u")
    for end in ("bler", "ding", "mentis", "nova", "rok", "sing", "tal", "vent", "wick", "zor")
]


async def measure(rounds: int, searches: int, documents: Sequence[int]) -> None:
    async with fresh_deployment() as container:
        container.embedder.override(providers.Object(HashingEmbedder()))
        sides: dict[str, Side] = {}
        owners = iter(await people(container, 2 * len(documents)))
        pairs = []
        for count in documents:
            for mode in (IndexMode.SEALED, IndexMode.CLEAR):
                owner = next(owners)
                passages = await _fill(container, owner, count, mode)
                print(f"{mode}: {passages} passages in {count} documents", flush=True)
                sides[f"{mode}, {passages} passages"] = _side(container, owner, searches, passages)
            pairs.append((list(sides)[-2], list(sides)[-1]))
        for warm in sides.values():
            await warm()
        measured = await by_turns("sealed_search", sides, rounds=rounds)
        await container.extraction().close()
    report(measured, ratios=pairs)


def _side(container: Container, owner: Caller, searches: int, passages: int) -> Side:
    async def run() -> Figures:
        chance, took = random.Random(7), []
        for _ in range(searches):
            question = " ".join(chance.choices(WORDS, k=4))
            began = time.perf_counter()
            page = await container.search()(caller=owner, query=SearchQuery(text=question))
            took.append((time.perf_counter() - began) * 1_000)
            assert page.visible == passages
            assert len(page.hits) == 10
        return {"p50_ms": percentile(took, 50), "p95_ms": percentile(took, 95)}

    return run


async def _fill(container: Container, owner: Caller, documents: int, mode: IndexMode) -> int:
    """How many passages there are now."""
    chance, passages = random.Random(documents), 0
    common = [1 / (rank + 5) for rank in range(len(WORDS))]
    for number in range(documents):
        sections = (
            f"# Part {part}\n\n{' '.join(chance.choices(WORDS, common, k=90))}."
            for part in range(PASSAGES)
        )
        passages += await _add(container, owner, "\n\n".join(sections), f"No. {number}", mode)
    return passages


async def _add(container: Container, owner: Caller, text: str, title: str, mode: IndexMode) -> int:
    async def content() -> AsyncIterator[bytes]:
        yield text.encode()

    async def details() -> DocumentDetails:
        return DocumentDetails(description=Description(title=title), index_mode=mode)

    document = await container.add_document()(caller=owner, content=content(), details=details)
    await container.index_version()(caller=owner, version=document.current.ref)
    version = await container.documents().version(owner, document.current.ref)
    assert version is not None
    assert version.state == "ready"
    return version.passage_count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN)
    parser.add_argument("--searches", type=int, default=SEARCHES)
    parser.add_argument("--documents", type=int, nargs="+", default=DOCUMENTS)
    given = parser.parse_args()
    asyncio.run(measure(given.rounds, given.searches, given.documents))


if __name__ == "__main__":
    main()
