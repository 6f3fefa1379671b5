"""`strongroom eval retrieval`: how well a collection is searched, from outside."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from entrypoints.cli.evaluation.collection import Collection, read_collection
from entrypoints.cli.evaluation.failure import EvaluationNotPossible
from entrypoints.cli.evaluation.measures import ranked
from entrypoints.cli.evaluation.plot import svg_of
from entrypoints.cli.evaluation.reports import ModeMeasured, Report, keep, last_like, measured
from entrypoints.cli.evaluation.searcher import Searcher, searcher
from entrypoints.cli.evaluation.table import remarks, table_of
from entrypoints.cli.steps import say
from entrypoints.cli.story.instance import InstanceDidNotStart, fresh_instance
from entrypoints.settings import Settings

MODES = {"hybrid": "hybrid", "keyword": "keyword", "vector": "semantic"}
"""What the modes are called here, and in the API."""

WIDTH_MAX = 100
OWN = "an instance of its own"
# Of the settings in force, those that change what a search finds. The rest is none of its business.
CARRIED_OVER = ("embedder_threads", "query_embedding_seconds_max")


async def evaluate(
    settings: Settings, directory: Path, *, url: str | None, modes: Sequence[str], limit: int
) -> None:
    """Raises EvaluationNotPossible."""
    collection = read_collection(directory)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_MAX
    async with _server(settings, url) as address, searcher(address) as somebody:
        report = await _measured(collection, somebody, modes, limit, url or OWN)
    home = settings.data_dir.expanduser().resolve()
    earlier = last_like(report, home)
    kept = keep(report, home)
    plot = kept.with_suffix(".svg")
    plot.write_text(svg_of(report, earlier))
    console.print(table_of(report, earlier))
    for line in remarks(report, earlier):
        console.print(line, soft_wrap=True, markup=False)
    console.print(f"Report: {kept}\nPlot:   {plot}", soft_wrap=True, markup=False)


@asynccontextmanager
async def _server(settings: Settings, url: str | None) -> AsyncIterator[str]:
    if url is not None:
        yield url
        return
    carried = {name: getattr(settings, name) for name in CARRIED_OVER}
    models = settings.data_dir.expanduser() / "models"
    async with fresh_instance("evaluation", models=models, **carried) as instance:
        try:
            await instance.until_ready(lambda said: None)
        except InstanceDidNotStart as failure:
            raise EvaluationNotPossible(f"{failure} {instance.end_of_log()}") from None
        yield instance.url


async def _measured(
    collection: Collection, somebody: Searcher, modes: Sequence[str], limit: int, server: str
) -> Report:
    load_before, began = os.getloadavg()[0], time.perf_counter()
    with _progress() as progress:

        def bar(doing: str, total: int) -> _Bar:
            return _Bar(progress, doing, total)

        count = len(collection.documents)
        await somebody.hand_in(collection.documents, bar("handing in", count))
        handed_in = time.perf_counter() - began
        ready = await somebody.until_settled(bar("indexing", count))
        searchable = time.perf_counter() - began
        asked = {
            mode: await _ask(
                collection, somebody, mode, limit, bar(f"asking: {mode}", len(collection.queries))
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
        aggregate="passages",
        limit=limit,
        seconds={
            "handing_in": round(handed_in, 1),
            "until_searchable": round(searchable, 1),
            "all": round(time.perf_counter() - began, 1),
        },
        load_average=(round(load_before, 2), round(os.getloadavg()[0], 2)),
        modes=asked,
    )


async def _ask(
    collection: Collection, somebody: Searcher, mode: str, limit: int, report: _Bar
) -> ModeMeasured:
    """One query after another, so that latency is that of a search and not of a queue."""
    rankings, milliseconds, as_asked = {}, [], 0
    # The first search of a kind opens connections and plans; it is not what is measured.
    await somebody.search(next(iter(collection.queries.values())), mode=MODES[mode], limit=limit)
    for number, (query, text) in enumerate(collection.queries.items(), start=1):
        answer = await somebody.search(text, mode=MODES[mode], limit=limit)
        rankings[query] = ranked(answer.scores)
        milliseconds.append(answer.milliseconds)
        as_asked += answer.mode == MODES[mode]
        report(number, len(collection.queries))
    return measured(
        rankings, collection.judgements, milliseconds=milliseconds, done_as_asked=as_asked
    )


class _Bar:
    """A bar on a terminal; elsewhere a line when it is full."""

    def __init__(self, progress: Progress, doing: str, total: int) -> None:
        self._progress = progress
        self._doing = doing
        self._task = progress.add_task(escape(doing), total=total)
        self._began = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        self._progress.update(self._task, completed=done)
        if done == of and not self._progress.console.is_terminal:
            say(f"{self._doing}: {of:,} in {time.monotonic() - self._began:.1f} s")


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:<18}"),
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal)
