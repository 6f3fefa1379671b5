"""Cold start to the first answer, and idle memory, beside a Litestar and SQLAlchemy hello world.

    python -m benchmarks cold_start [--rounds N]

Each round starts both sides in an empty directory (first start: initdb, schema, model), again in
the same directory (second start, with its own PostgreSQL), and beside a PostgreSQL that runs
already. Memory is read on the second start, some seconds after the first answer.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

from adapters.postgres.embedded import embedded_database
from benchmarks.measure import ROUNDS_MIN, Figures, Goal, by_turns, report
from benchmarks.servers import WITHOUT_EMBEDDER, Server, hello_world, strongroom

SETTLE_SECONDS = 3.0
OURS, PEER = "strongroom", "hello_world"

GOALS = (
    Goal(figure="second_start_seconds", side=OURS, against=PEER, ratio_max=1.5),
    Goal(figure="start_beside_database_seconds", side=OURS, against=PEER, ratio_max=1.5),
    Goal(figure="idle_without_embedder_mb", side=OURS, against=PEER, ratio_max=1.5),
    Goal(figure="idle_without_embedder_mb", side=OURS, at_most=150),
)
NOTES = (
    "Memory is the resident set of the server process alone; children are given as proportional "
    "set size, in which PostgreSQL's shared buffers are counted once.",
    "The peer has no embedder: its idle memory stands on both lines.",
    "Only our side migrates a schema, opens a keyring, loads a model and starts the process that "
    "reads documents; both run the same PostgreSQL binaries with the same settings.",
)


async def measure(rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="strongroom-benchmark-") as scratch:
        beside = Path(scratch)
        async with embedded_database(beside / "database") as url:
            # What the first start beside a database prepares is not what is measured there.
            async with strongroom(beside / "ours", database_url=url):
                pass

            async def ours() -> Figures:
                return await _ours(beside, url)

            async def peer() -> Figures:
                return await _peer(beside, url)

            measured = await by_turns("cold_start", {OURS: ours, PEER: peer}, rounds=rounds)
    report(measured, goals=GOALS, ratios=[(OURS, PEER)], notes=NOTES)


async def _ours(beside: Path, url: str) -> Figures:
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="strongroom-benchmark-") as directory:
        own = Path(directory) / "data"
        async with strongroom(own) as server:
            figures["first_start_seconds"] = server.start_seconds
        async with strongroom(own) as server:
            figures["second_start_seconds"] = server.start_seconds
            figures["idle_mb"] = await _idle(server)
            for program, size in server.children_mb().items():
                figures[f"idle_child_{program}_mb"] = size
        async with strongroom(own, command=WITHOUT_EMBEDDER) as server:
            figures["idle_without_embedder_mb"] = await _idle(server)
    # One directory for all rounds: the keyring belongs to the database that stays.
    async with strongroom(beside / "ours", database_url=url) as server:
        figures["start_beside_database_seconds"] = server.start_seconds
    return figures


async def _peer(beside: Path, url: str) -> Figures:
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="strongroom-benchmark-") as directory:
        own = Path(directory) / "data"
        async with hello_world(own) as server:
            figures["first_start_seconds"] = server.start_seconds
        async with hello_world(own) as server:
            figures["second_start_seconds"] = server.start_seconds
            figures["idle_mb"] = figures["idle_without_embedder_mb"] = await _idle(server)
            for program, size in server.children_mb().items():
                figures[f"idle_child_{program}_mb"] = size
    async with hello_world(beside / "peer", database_url=url) as server:
        figures["start_beside_database_seconds"] = server.start_seconds
    return figures


async def _idle(server: Server) -> float:
    await asyncio.sleep(SETTLE_SECONDS)
    return server.resident_mb()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN)
    asyncio.run(measure(parser.parse_args(arguments).rounds))


if __name__ == "__main__":
    main()
