"""How fast text becomes searchable, beside the embedder alone and beside COPY of the same rows.

    python -m benchmarks ingestion [--documents N] [--rounds N]

Ours is the whole job as a worker does it: a release, extraction in its child process, chunking,
embedding, passages with vectors, postings and features, and the swap. The embedder alone embeds the
same passages in the same batches. COPY writes as many passages, vectors and postings, of the same
sizes, into tables without row-level security, keys or indexes.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from application.vault.add_document import DocumentDetails
from benchmarks.deployment import fresh_deployment, two_people
from benchmarks.measure import ROUNDS_MIN, Figures, by_turns, report
from domain.identity import Caller
from domain.retrieval.chunking import split_into_chunks
from domain.vault.document import Description, Document
from entrypoints.container import Container

DOCUMENTS = 8
PARAGRAPHS = 30
SENTENCES = 6
FIGURE = "milliseconds_per_passage"
OURS, EMBEDDER, COPY = "ingestion", "the embedder alone", "COPY of as many rows"

_WORDS = [
    "water",
    "tenant",
    "signal",
    "harbour",
    "window",
    "period",
    "station",
    "letter",
    "winter",
    "account",
    "engine",
    "garden",
    "number",
    "river",
    "doctor",
    "market",
    "paper",
    "notice",
    "bridge",
    "silver",
    "summer",
    "castle",
    "device",
    "memory",
    "pattern",
    "method",
    "result",
    "study",
    "value",
    "system",
    "theory",
    "surface",
    "pressure",
    "velocity",
    "boundary",
]
_SCRATCH = """
    CREATE TABLE copied_passages (LIKE passages);
    ALTER TABLE copied_passages DROP COLUMN id;
    CREATE TABLE copied_vectors (LIKE passage_vectors);
    CREATE TABLE copied_postings (LIKE postings);
"""
# Rows as they are, through a file in memory: what the driver's COPY takes.
_KEPT = """
    CREATE TABLE kept_passages AS SELECT * FROM passages;
    ALTER TABLE kept_passages DROP COLUMN id;
    CREATE TABLE kept_vectors AS SELECT * FROM passage_vectors;
    CREATE TABLE kept_postings AS SELECT * FROM postings;
"""


async def measure(rounds: int, documents: int) -> None:
    async with fresh_deployment() as container:
        embedder, extraction = container.embedder(), container.extraction()
        await embedder.warm()
        await extraction.start()
        owner, _ = await two_people(container)
        connection = await container.database().connect("postgres")
        chance = random.Random(20_261_129)
        first = await _handed_in(container, owner, chance, documents)
        await _indexed(container, owner, first)
        await connection.execute(_KEPT + _SCRATCH)
        texts = await _passages(container, _text(chance))
        with tempfile.TemporaryDirectory(prefix="strongroom-copy-") as directory:
            files = Path(directory)
            for table in ("passages", "vectors", "postings"):
                await connection.copy_from_table(
                    f"kept_{table}", output=files / table, format="binary"
                )
            rows = await connection.fetchval("SELECT count(*) FROM kept_passages")

            async def ours() -> Figures:
                before = await connection.fetchval("SELECT count(*) FROM passages")
                handed_in = await _handed_in(container, owner, chance, documents)
                began = time.perf_counter()
                await _indexed(container, owner, handed_in)
                seconds = time.perf_counter() - began
                added = await connection.fetchval("SELECT count(*) FROM passages") - before
                assert added > documents
                return {FIGURE: seconds / added * 1_000}

            async def embedded() -> Figures:
                began = time.perf_counter()
                vectors = await embedder.embed_passages(texts)
                assert len(vectors) == len(texts)
                return {FIGURE: (time.perf_counter() - began) / len(texts) * 1_000}

            async def copied() -> Figures:
                began = time.perf_counter()
                for table in ("passages", "vectors", "postings"):
                    await connection.copy_to_table(
                        f"copied_{table}", source=files / table, format="binary"
                    )
                return {FIGURE: (time.perf_counter() - began) / rows * 1_000}

            measured = await by_turns(
                "ingestion", {OURS: ours, EMBEDDER: embedded, COPY: copied}, rounds=rounds
            )
        await connection.close()
        await extraction.close()
        await embedder.close()
    report(
        measured,
        ratios=[(OURS, EMBEDDER), (OURS, COPY)],
        notes=(
            f"{documents} documents in turn, of about {rows // documents} passages each.",
            "COPY is of the rows of the first round, in binary form from files.",
        ),
    )


async def _handed_in(
    container: Container, owner: Caller, chance: random.Random, documents: int
) -> list[Document]:
    return [await _hand_in(container, owner, _text(chance)) for _ in range(documents)]


async def _hand_in(container: Container, owner: Caller, text: str) -> Document:
    async def content() -> AsyncIterator[bytes]:
        yield text.encode()

    async def details() -> DocumentDetails:
        return DocumentDetails(description=Description(title="Notes"))

    return await container.add_document()(caller=owner, content=content(), details=details)


async def _indexed(container: Container, owner: Caller, documents: Sequence[Document]) -> None:
    for document in documents:
        await container.index_version()(caller=owner, version=document.current.ref)


async def _passages(container: Container, text: str) -> list[str]:
    extracted = await container.extractor().extract(text.encode(), "text/plain")
    encoded = extracted.text.encode()
    chunks = split_into_chunks(extracted)
    return [encoded[chunk.start : chunk.end].decode() for chunk in chunks]


def _text(chance: random.Random) -> str:
    paragraphs = (
        " ".join(
            " ".join(chance.choices(_WORDS, k=chance.randint(8, 20))).capitalize() + "."
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
