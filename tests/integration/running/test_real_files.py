"""Real documents, through the front door: all of them become searchable, and say the same."""

from __future__ import annotations

import asyncio
import difflib
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.running.people import Person

FORMATS = ("md", "html", "pdf", "docx", "pptx")
UPLOADS_AT_ONCE = 12
DOCUMENTS = 37


@pytest.mark.slow
async def test_every_document_is_indexed_from_all_five_formats_and_reads_alike(
    shared_data: Path, asha: Person, figure: Callable[[str], None]
) -> None:
    files = shared_data / "files" / "CloudWay-24"
    paths = [path for each in FORMATS for path in sorted((files / each).glob(f"[!.]*.{each}"))]
    assert len(paths) == DOCUMENTS * len(FORMATS)
    turns, began = asyncio.Semaphore(UPLOADS_AT_ONCE), time.monotonic()

    async def hand_in(path: Path) -> str:
        async with turns:
            content = await asyncio.to_thread(path.read_bytes)
            document = await asha.upload(content, filename=path.name, title=path.stem)
            return str(document["id"])

    ids = dict(zip(paths, await asyncio.gather(*map(hand_in, paths)), strict=True))
    accepted = time.monotonic() - began
    states, passages = await _ended(asha, len(paths))
    seconds = time.monotonic() - began
    assert states == {"ready"}
    rates = f"{len(paths) / seconds:.1f} files and {passages / seconds:.0f} passages a second"
    figure(
        f"{len(paths)} files accepted in {accepted:.1f} s, indexed after {seconds:.1f} s: {rates}"
    )

    async def words(path: Path) -> list[str]:
        async with turns:
            text = await asha.http.get(f"/v1/documents/{ids[path]}/text")
        assert text.status_code == 200, text.text
        return re.findall(r"\w+", text.text.lower())

    texts = dict(zip(paths, await asyncio.gather(*map(words, paths)), strict=True))
    for other in FORMATS[1:]:
        ratios = [
            _agreement(texts[path], texts[files / other / f"{path.stem}.{other}"])
            for path in paths[:DOCUMENTS]
        ]
        mean = sum(ratios) / len(ratios)
        figure(f"md and {other} agree by {mean:.4f} in the mean, {min(ratios):.4f} at worst")
        assert mean > 0.99
        assert min(ratios) > 0.97


async def _ended(person: Person, count: int) -> tuple[set[str], int]:
    """The states that they all came to, and the number of passages."""
    async with asyncio.timeout(180):
        while True:
            found = (await person.http.get("/v1/documents", params={"limit": 200})).json()["items"]
            states = {each["state"] for each in found}
            if len(found) >= count and states <= {"ready", "rejected", "failed"}:
                return states, sum(each["passage_count"] for each in found)
            await asyncio.sleep(0.25)


def _agreement(one: list[str], other: list[str]) -> float:
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()
