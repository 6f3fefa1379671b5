"""How fast text becomes searchable, beside the embedder alone and beside COPY of the same rows.

    python -m benchmarks ingestion [--documents N] [--rounds N]

Ours is the worker of the program, with as many jobs at once as its setting says, from a queue of
many documents: for each a release, extraction in its child process, chunking, embedding, passages
with vectors, postings and features, progress, and the swap. The clock runs from the start of the
worker until all of them are searchable. It does so in two tenants:

- With the model that comes along, beside that model alone on the very same texts, all at once.
- With vectors that were made beforehand (those of HashingEmbedder), beside COPY of the very rows
  that such a run wrote, in binary form, on one connection, as the superuser: into tables that have
  the same keys and indexes, the graph among them, and have grown as much; and into bare ones.

What both COPYs leave out: whatever makes these rows from a file (the release and its entry in the
log, decryption, the child process, chunks, language, stems, sealing), the sealed text, features,
progress, jobs, foreign keys and row-level security. The bare one leaves out besides whatever makes
rows findable.

Processor time is that of this process and of all below it, the database's among them. On a machine
that others use, its ratios say more than those of the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from adapters.embedding.hashing import HashingEmbedder
from application.retrieval.embedder import Embedder, Vector
from application.vault.add_document import DocumentDetails
from benchmarks.deployment import fresh_deployment, people
from benchmarks.measure import ROUNDS_MIN, Figures, Goal, by_turns, report
from domain.identity import Caller
from domain.retrieval.chunking import split_into_chunks
from domain.retrieval.passage import in_context
from domain.vault.document import Description, Document
from entrypoints.container import Container
from entrypoints.worker.jobs import Worker

DOCUMENTS = 24
PARAGRAPHS = 30
SENTENCES = 6
TITLE = "Notes"
CLOCK, PROCESSOR = "milliseconds_per_passage", "processor_ms_per_passage"
OURS, EMBEDDER = "ingestion", "the embedder alone"
STUBBED, COPIED, BARE = "without embedding", "COPY, keys and indexes", "COPY, bare tables"
POLL_SECONDS = 0.05

_WORDS = """
    water tenant signal harbour window period station letter winter account engine garden number
    river doctor market paper notice bridge silver summer castle device memory pattern method
    result study value system theory surface pressure velocity boundary
"""
_TABLES = ("passages", "passage_vectors", "postings")
# Without foreign keys and row-level security. Rows bring their numbers along.
_SCRATCH = "".join(
    f"CREATE TABLE indexed_{table} (LIKE {table} INCLUDING INDEXES INCLUDING STORAGE);"
    f"CREATE TABLE bare_{table} (LIKE {table} INCLUDING STORAGE);"
    for table in _TABLES
)
_ROWS = "SELECT * FROM {} WHERE document_id = ANY(CAST('{{{}}}' AS uuid[]))"  # as they lie
_LEFT = """
    SELECT count(*) FROM versions
    WHERE tenant_id = $1 AND state NOT IN ('ready', 'rejected', 'failed')
"""
_FAILED = "SELECT count(*) FROM versions WHERE tenant_id = $1 AND state <> 'ready'"
_PASSAGES = "SELECT count(*) FROM passages WHERE document_id = ANY($1)"


@dataclass(frozen=True, slots=True)
class _Prepared:
    """An `Embedder` that knows its answers: what it costs is not what is measured."""

    vectors: dict[str, Vector] = field(default_factory=dict)
    of: HashingEmbedder = field(default_factory=HashingEmbedder)

    @property
    def model(self) -> str:
        return self.of.model

    @property
    def dimensions(self) -> int:
        return self.of.dimensions

    async def prepare(self, texts: Sequence[str]) -> None:
        self.vectors.clear()
        self.vectors.update(zip(texts, await self.of.embed_passages(texts), strict=True))

    async def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        return [self.vectors[text] for text in texts]

    async def embed_query(self, text: str) -> Vector:
        return await self.of.embed_query(text)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows as a worker wrote them: a file for each table, and what the server says of it."""

    files: Mapping[str, Path]
    written: Mapping[str, str]
    passages: int


@dataclass(slots=True)
class _Bench:
    container: Container
    connection: Any
    scratch: Path
    documents: int
    chance: random.Random = field(default_factory=lambda: random.Random(20_261_129))
    batches: dict[str, deque[_Batch]] = field(
        default_factory=lambda: {COPIED: deque(), BARE: deque()}
    )
    texts: deque[list[str]] = field(default_factory=deque)

    async def ingested(self, owner: Caller, embedder: Embedder) -> Figures:
        """Kept for the other side of this round: the same texts."""
        documents, texts = await self._handed_in(owner)
        self.texts.append(texts)
        return await self._worked(owner, embedder, documents, len(texts))

    async def embedded(self, embedder: Embedder) -> Figures:
        texts = self.texts.popleft()
        with _Clock() as clock:
            vectors = await embedder.embed_passages(texts)
        assert len(vectors) == len(texts)
        return clock.per_passage(len(texts))

    async def stubbed(self, owner: Caller, embedder: _Prepared) -> Figures:
        documents, texts = await self._handed_in(owner)
        await embedder.prepare(texts)
        figures = await self._worked(owner, embedder, documents, len(texts))
        place = Path(tempfile.mkdtemp(dir=self.scratch))
        files = {table: place / table for table in _TABLES}
        ids = ",".join(str(each.id) for each in documents)
        written = {
            table: await self.connection.copy_from_query(
                _ROWS.format(table, ids), output=file, format="binary"
            )
            for table, file in files.items()
        }
        for batches in self.batches.values():
            batches.append(_Batch(files=files, written=written, passages=len(texts)))
        return figures

    async def copied(self, side: str, prefix: str) -> Figures:
        batch = self.batches[side].popleft()
        with _Clock() as clock:
            written = {
                table: await self.connection.copy_to_table(
                    f"{prefix}_{table}", source=file, format="binary"
                )
                for table, file in batch.files.items()
            }
        assert written == batch.written
        return clock.per_passage(batch.passages)

    async def _worked(
        self, owner: Caller, embedder: Embedder, documents: Sequence[Document], passages: int
    ) -> Figures:
        settings = self.container.settings()
        worker = Worker(
            database=self.container.database(),
            index_version=replace(self.container.index_version(), embedder=embedder, others=()),
            jobs_at_once=settings.worker_jobs_at_once,
        )
        with _Clock() as clock:
            async with worker.working():
                await self._until_ended(owner)
                clock.stop()
        assert await self.connection.fetchval(_FAILED, owner.tenant_id) == 0
        ids = [each.id for each in documents]
        assert await self.connection.fetchval(_PASSAGES, ids) == passages
        return clock.per_passage(passages)

    async def _until_ended(self, owner: Caller) -> None:
        while True:
            if not await self.connection.fetchval(_LEFT, owner.tenant_id):
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _handed_in(self, owner: Caller) -> tuple[list[Document], list[str]]:
        """Documents in the queue, and what of them is to be embedded."""
        documents, texts = [], []
        for _ in range(self.documents):
            text = _text(self.chance)
            documents.append(await _hand_in(self.container, owner, text))
            texts += await _read(self.container, text)
        return documents, texts


class _Clock:
    """Seconds that passed, and those that processors worked for this process and all below it."""

    def __enter__(self) -> _Clock:
        self._stopped: tuple[float, float] | None = None
        self._began = (time.perf_counter(), _processor_seconds())
        return self

    def __exit__(self, *_: object) -> None:
        if self._stopped is None:
            self.stop()

    def stop(self) -> None:
        self._stopped = (time.perf_counter(), _processor_seconds())

    def per_passage(self, passages: int) -> Figures:
        assert self._stopped is not None
        clock, processor = (
            (stopped - began) / passages * 1_000
            for stopped, began in zip(self._stopped, self._began, strict=True)
        )
        return {CLOCK: clock, PROCESSOR: processor}


def _processor_seconds() -> float:
    """Of processes that ended, too: those who waited for them count them as theirs."""
    total = 0.0
    this = psutil.Process()
    for process in [this, *this.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


async def measure(rounds: int, documents: int) -> None:
    async with fresh_deployment() as container:
        embedder, extraction = container.embedder(), container.extraction()
        await embedder.warm()
        await extraction.start()
        (owner,) = await people(container, 1)
        (other,) = await people(container, 1, tenant="stubbed")
        connection = await container.database().connect("postgres")
        await connection.execute(_SCRATCH)
        prepared = _Prepared()
        with tempfile.TemporaryDirectory(prefix="strongroom-copy-") as scratch:
            bench = _Bench(container, connection, Path(scratch), documents)
            # COPY always has a batch to write, whichever side begins a round; so has the embedder.
            await bench.ingested(owner, embedder)
            await bench.stubbed(other, prepared)
            measured = await by_turns(
                "ingestion",
                {
                    OURS: lambda: bench.ingested(owner, embedder),
                    EMBEDDER: lambda: bench.embedded(embedder),
                    STUBBED: lambda: bench.stubbed(other, prepared),
                    COPIED: lambda: bench.copied(COPIED, "indexed"),
                    BARE: lambda: bench.copied(BARE, "bare"),
                },
                rounds=rounds,
            )
        await connection.close()
        await extraction.close()
        await embedder.close()
    jobs = container.settings().worker_jobs_at_once
    report(
        measured,
        goals=[
            Goal(figure=CLOCK, side=OURS, against=EMBEDDER, ratio_max=1 / 0.95),
            Goal(figure=CLOCK, side=STUBBED, against=COPIED, ratio_max=1 / 0.7),
            Goal(figure=CLOCK, side=STUBBED, against=BARE, ratio_max=1 / 0.7),
        ],
        ratios=[(OURS, EMBEDDER), (STUBBED, COPIED), (STUBBED, BARE)],
        notes=(f"{documents} documents of about 33 passages, {jobs} jobs at once.",),
    )


async def _hand_in(container: Container, owner: Caller, text: str) -> Document:
    async def content() -> AsyncIterator[bytes]:
        yield text.encode()

    async def details() -> DocumentDetails:
        return DocumentDetails(description=Description(title=TITLE))

    return await container.add_document()(caller=owner, content=content(), details=details)


async def _read(container: Container, text: str) -> list[str]:
    """What the embedder gets to read of a document."""
    extracted = await container.extractor().extract(text.encode(), "text/plain")
    encoded = extracted.text.encode()
    return [
        in_context(TITLE, chunk.heading_path, encoded[chunk.start : chunk.end].decode())
        for chunk in split_into_chunks(extracted)
    ]


def _text(chance: random.Random) -> str:
    words = _WORDS.split()
    paragraphs = (
        " ".join(
            " ".join(chance.choices(words, k=chance.randint(8, 20))).capitalize() + "."
            for _ in range(SENTENCES)
        )
        for _ in range(PARAGRAPHS)
    )
    return "\n\n".join(paragraphs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN)
    parser.add_argument("--documents", type=int, default=DOCUMENTS)
    given = parser.parse_args()
    asyncio.run(measure(given.rounds, given.documents))


if __name__ == "__main__":
    main()
