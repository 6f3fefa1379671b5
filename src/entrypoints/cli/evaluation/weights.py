"""`strongroom eval weights`: the weight of meaning that suits a collection, if it holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from domain.retrieval.query import LIMIT_MAX
from entrypoints.cli.evaluation.collection import Collection, read_collection
from entrypoints.cli.evaluation.failure import Refused
from entrypoints.cli.evaluation.learning import JudgedQuery, Queries, halves, learned, quality
from entrypoints.cli.evaluation.progress import Bar, progress_bars
from entrypoints.cli.evaluation.searcher import searcher
from entrypoints.cli.evaluation.server import server
from entrypoints.settings import Settings


async def learn_weights(
    settings: Settings, directories: Sequence[Path], *, tests: Sequence[Path], url: str | None
) -> None:
    """Learns from one half of the queries of each collection, and tests on all that it did not
    learn from: the other halves, and the collections that are for testing alone."""
    collections = [read_collection(each) for each in (*directories, *tests)]
    async with server(settings, url) as address:
        found = [await _found(each, address, leaves=url is not None) for each in collections]
    to_learn = [halves(queries)[0] for queries in found[: len(directories)]]
    to_test = [halves(queries)[1] for queries in found[: len(directories)]]
    to_test += found[len(directories) :]
    now, then = settings.search_semantic_weight, learned(to_learn)
    console = Console(highlight=False)
    table = Table(title="nDCG@10 of queries that were not learned from", title_justify="left")
    for heading in ("collection", "queries", f"weight {now:.2f}", f"weight {then:.2f}", "change"):
        table.add_column(heading, justify="left" if heading == "collection" else "right")
    gained = 0.0
    for collection, queries in zip(collections, to_test, strict=True):
        before, after = quality(queries, now), quality(queries, then)
        gained += after - before
        figures = (f"{len(queries):,}", f"{before:.4f}", f"{after:.4f}", f"{after - before:+.4f}")
        table.add_row(collection.name, *figures)
    console.print(table)
    if then == now or gained <= 0:
        console.print("Nothing is gained where it was not learned: leave the weight as it is.")
    else:
        console.print(f"For strongroom.toml:\nsearch_semantic_weight = {then}")


async def _found(collection: Collection, address: str, *, leaves: bool) -> Queries:
    found: dict[str, JudgedQuery] = {}
    with progress_bars() as progress:
        async with searcher(address, leaves=leaves) as somebody:
            count = len(collection.documents)
            name = collection.name
            await somebody.hand_in(collection.documents, Bar(progress, f"handing in {name}", count))
            await somebody.until_settled(Bar(progress, f"indexing {name}", count))
            bar = Bar(progress, f"asking {name}", len(collection.queries))
            for number, (query, text) in enumerate(collection.queries.items(), start=1):
                try:
                    legs = await somebody.legs(text, limit=LIMIT_MAX)
                except Refused:
                    legs = []
                others = set(collection.answers(query, [leg.document for leg in legs]))
                found[query] = JudgedQuery(
                    found=[leg for leg in legs if leg.document in others],
                    judged=collection.judgements[query],
                )
                bar(number, len(collection.queries))
    return found
