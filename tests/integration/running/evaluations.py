"""What every evaluation of a running server keeps, and leaves as it was."""

from __future__ import annotations

import json
from pathlib import Path

import asyncpg

from tests.integration.running.people import Json
from tests.integration.running.program import Program, command


async def evaluated_twice(
    server: Program, place: Path, kind: str, subject: Path, *, unchanged: str
) -> Json:
    """The second report. What was said then has `unchanged`, what was said at first has not."""
    documents = await documents_in(server)
    for again in (False, True):
        status, told, _ = await command(
            *("eval", kind, str(subject), "--url", server.url),
            directory=place,
            data_dir=place / "data",
        )
        assert status == 0, told
        assert ("no earlier report" in told) is not again
        assert (unchanged in told) is again
    kept = sorted((place / "data" / "evaluations" / kind / subject.stem).glob("*.json"))
    assert len(kept) == 2
    assert kept[-1].with_suffix(".svg").read_text().startswith("<svg")
    assert await documents_in(server) == documents, "what was handed in is erased"
    report: Json = json.loads(kept[-1].read_text())
    return report


def left_in(place: Path) -> list[Path]:
    """What a server of its own forgot to remove."""
    return list(place.glob("strongroom-*"))


async def documents_in(server: Program) -> int:
    connection = await asyncpg.connect(server.database_url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM documents"))
    finally:
        await connection.close()
