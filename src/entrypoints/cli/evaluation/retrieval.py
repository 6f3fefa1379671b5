"""`strongroom eval retrieval`: how well a collection is searched, from outside."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console

from domain.retrieval.query import DOCUMENT_LIMIT_MAX, LIMIT_MAX
from entrypoints.cli.evaluation.collection import Collection, read_collection
from entrypoints.cli.evaluation.failure import EvaluationNotPossible, Refused
from entrypoints.cli.evaluation.measures import ranked
from entrypoints.cli.evaluation.plot import svg_of
from entrypoints.cli.evaluation.progress import Bar, progress_bars
from entrypoints.cli.evaluation.reports import ModeMeasured, Report, keep, last_like, measured
from entrypoints.cli.evaluation.searcher import Searcher, searcher
from entrypoints.cli.evaluation.server import server
from entrypoints.cli.evaluation.table import remarks, table_of
from entrypoints.settings import Settings

MODES = {"hybrid": "hybrid", "keyword": "keyword", "vector": "semantic"}
"""What the modes are called here, and in the API."""

WIDTH_MAX = 100
OWN = "an instance of its own"
# The most that one search gives.
LIMITS = {"documents": DOCUMENT_LIMIT_MAX, "passages": LIMIT_MAX}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Documents, or passages of which a document's best counts, and how many of them."""

    results: str
    limit: int


async def evaluate(
    settings: Settings,
    directory: Path,
    *,
    url: str | None,
    modes: Sequence[str],
    aggregate: str,
    limit: int | None,
) -> None:
    """Raises EvaluationNotPossible."""
    wanted = Wanted(results=aggregate, limit=min(limit or LIMITS[aggregate], LIMITS[aggregate]))
    collection = read_collection(directory)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_MAX
    home = settings.data_dir.expanduser().resolve()
    async with (
        server(settings, url) as address,
        searcher(address, leaves=url is not None) as somebody,
    ):
        report = await _measured(collection, somebody, modes, wanted, url or OWN)
        # Before the account leaves: what was measured is not lost with whatever happens then.
        earlier = last_like(report, home)
        kept = keep(report, home)
        plot = kept.with_suffix(".svg")
        plot.write_text(svg_of(report, earlier))
        console.print(table_of(report, earlier))
        for line in remarks(report, earlier):
            console.print(line, soft_wrap=True, markup=False)
        console.print(f"Report: {kept}\nPlot:   {plot}", soft_wrap=True, markup=False)


async def _measured(
    collection: Collection, somebody: Searcher, modes: Sequence[str], wanted: Wanted, server: str
) -> Report:
    load_before, began = os.getloadavg()[0], time.perf_counter()
    with progress_bars() as progress:

        def bar(doing: str, total: int) -> Bar:
            return Bar(progress, doing, total)

        count = len(collection.documents)
        await somebody.hand_in(collection.documents, bar("handing in", count))
        handed_in = time.perf_counter() - began
        ready = await somebody.until_settled(bar("indexing", count))
        searchable = time.perf_counter() - began
        asked = {
            mode: await _ask(
                collection, somebody, mode, wanted, bar(f"asking: {mode}", len(collection.queries))
            )
            for mode in modes
        }
    return Report(
        collection=collection.name,
        fingerprint=collection.fingerprint,
        at=datetime.now(UTC),
        strongroom=version("strongroom"),
        server=server,
        documents=count,
        documents_searchable=ready,
        queries=len(collection.queries),
        aggregate=wanted.results,
        limit=wanted.limit,
        seconds={
            "handing_in": round(handed_in, 1),
            "until_searchable": round(searchable, 1),
            "all": round(time.perf_counter() - began, 1),
        },
        load_average=(round(load_before, 2), round(os.getloadavg()[0], 2)),
        modes=asked,
        documents_refused=len(somebody.refused),
        judged_in=collection.judged_in,
        queries_themselves=len(collection.themselves),
        queries_missing=collection.queries_missing,
        judged_missing=collection.documents_missing,
    )


async def _ask(
    collection: Collection, somebody: Searcher, mode: str, wanted: Wanted, report: Bar
) -> ModeMeasured:
    """One query after another, so that latency is that of a search and not of a queue."""
    rankings: dict[str, list[str]] = {}
    milliseconds: list[float] = []
    as_asked = refused = 0
    # The first search of a kind opens connections and plans; it is not what is measured.
    first = next(iter(collection.queries.values()))
    with suppress(Refused):
        await somebody.search(first, mode=MODES[mode], results=wanted.results, limit=wanted.limit)
    for number, (query, text) in enumerate(collection.queries.items(), start=1):
        report(number, len(collection.queries))
        try:
            answer = await somebody.search(
                text, mode=MODES[mode], results=wanted.results, limit=wanted.limit
            )
        except Refused:
            refused += 1
            continue
        documents = wanted.results == "documents"
        ranking = list(answer.scores) if documents else ranked(answer.scores)
        rankings[query] = collection.answers(query, ranking)
        milliseconds.append(answer.milliseconds)
        as_asked += answer.mode == MODES[mode]
    if not milliseconds:
        raise EvaluationNotPossible("Every query was refused.")
    return measured(
        rankings,
        collection.judgements,
        milliseconds=milliseconds,
        done_as_asked=as_asked,
        refused=refused,
    )
