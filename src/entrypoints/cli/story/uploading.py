"""Scene 1: Asha signs up and uploads a folder."""

from __future__ import annotations

import asyncio
import time
from importlib import resources
from typing import Any

import httpx2

from entrypoints.cli.story.live import Advance, bars
from entrypoints.cli.story.person import Person
from entrypoints.cli.story.plot import SHARED, Plot

FOLDER = {
    "Lease": "apartment-lease.pdf",
    SHARED: "laboratory-report.docx",
    "Kitchen renovation": "kitchen-renovation.pptx",
    "Travel insurance": "travel-insurance.html",
    "Tenants' meeting": "tenants-meeting.md",
    "Itinerary": "itinerary.txt",
}
STATES = ("received", "extracting", "chunking", "embedding", "indexing", "ready")
ENDS = ("ready", "rejected", "failed")
INDEXING_SECONDS_MAX = 120.0
CHECKPOINT_SECONDS_MAX = 10.0
POLL_SECONDS = 0.1


async def asha_uploads(plot: Plot) -> None:
    stage = plot.stage
    plot.asha = await plot.sign_up("Asha Raman", "asha@example.org")
    stage.check("she has an account, and has signed in", expected="Asha Raman", seen=plot.asha.name)
    stage.tell(
        f"She hands in a folder of {len(FOLDER)} documents. Each is sealed under keys of "
        "her own before it touches the disk; reading and indexing go on in the background."
    )
    started = time.monotonic()
    with bars(stage) as advance:
        async with asyncio.timeout(INDEXING_SECONDS_MAX):
            uploads = [_upload(plot.asha, advance, *each) for each in FOLDER.items()]
            documents = await asyncio.gather(*uploads)
    plot.documents = {each["title"]: each["id"] for each in documents}
    states = {each["title"]: each["state"] for each in documents}
    passages = sum(each["passage_count"] for each in documents)
    stage.check(
        f"all {len(FOLDER)} are ready: {passages} passages in {time.monotonic() - started:.1f} s",
        expected=dict.fromkeys(FOLDER, "ready"),
        seen=states,
    )
    listed = await plot.asha.get("/v1/documents")
    titles = sorted(each["title"] for each in listed["items"])
    stage.check("she finds them in her list, by title", expected=sorted(FOLDER), seen=titles)
    plot.checkpoint = await _checkpoint(plot.asha)
    size = plot.checkpoint.split("\n")[1]
    stage.aside(f"She keeps the audit log's signed checkpoint over {size} entries, for later.")


async def _upload(person: Person, advance: Advance, title: str, filename: str) -> dict[str, Any]:
    """The document as it stands once it is searchable, or will never be."""
    content = resources.files("entrypoints.cli.story").joinpath("folder", filename).read_bytes()
    advance(title, 0.0, "uploading")
    received = await person.upload("/v1/documents", filename=filename, content=content, title=title)
    path = f"/v1/documents/{received['id']}"
    async with person.stream("GET", f"{path}/events") as events:
        async for event in events:
            done, total = event.told.get("done"), event.told.get("total")
            count = f" {done}/{total} passages" if total else ""
            advance(title, _share(event.type, done, total), event.type + count)
            if event.type in ENDS:
                break
    document: dict[str, Any] = await person.get(path)
    return document


def _share(state: str, done: int | None, total: int | None) -> float:
    if state in ENDS:
        return 1.0
    step = (done or 0) / total if total else 0.0
    return (STATES.index(state) + step) / (len(STATES) - 1)


async def _checkpoint(person: Person) -> str:
    """The latest one; the first is there a moment after the first events."""
    async with asyncio.timeout(CHECKPOINT_SECONDS_MAX):
        while True:
            answered = await person.attempt("GET", "/v1/audit/checkpoint")
            if answered.status_code == httpx2.codes.OK:
                return answered.text
            await asyncio.sleep(POLL_SECONDS)
