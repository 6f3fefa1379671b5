"""Retrieval quality of a running server on a collection in BEIR layout, through its public API.

    python -m benchmarks.retrieval_quality ../shared/data/collections/cranfield

Signs up a fresh person, hands in each document as Markdown, waits until all are searchable, asks
every query in every mode, and takes a document's best passage as its score. The measure is
nDCG@10 by ir-measures over the whole set of queries; a query without an answer counts as 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import ir_measures
from ir_measures import Qrel, ScoredDoc, nDCG

MODES = ("keyword", "semantic", "hybrid")
PASSAGES = 50  # the most that one search returns; they come from ten documents or more
PASSWORD = "correct horse battery staple"  # of an account that nobody uses again
SETTLED = ("ready", "rejected", "failed")


@dataclass(slots=True)
class Client:
    """One person's session; signs in again when the access token has run out."""

    http: httpx2.AsyncClient
    email: str = field(default_factory=lambda: f"{uuid4()}@example.org")
    token: str = ""

    async def join(self) -> None:
        account = {"email": self.email, "password": PASSWORD, "display_name": "Benchmark"}
        (await self.http.post("/v1/accounts", json=account)).raise_for_status()
        await self._sign_in()

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """The JSON of the answer. Waits when the server says that it is too much at once."""
        while True:
            headers = {"Authorization": f"Bearer {self.token}"}
            answer = await self.http.request(method, path, headers=headers, **options)
            if answer.status_code == 401:
                await self._sign_in()
            elif answer.status_code in (429, 503):
                await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
            else:
                answer.raise_for_status()
                return answer.json()

    async def _sign_in(self) -> None:
        credentials = {"email": self.email, "password": PASSWORD}
        answer = await self.http.post("/v1/sessions", json=credentials)
        answer.raise_for_status()
        self.token = answer.json()["access_token"]


async def measure(directory: Path, url: str, at_once: int) -> dict[str, Any]:
    documents = _lines(directory / "corpus.jsonl")
    queries = _lines(directory / "queries.jsonl")
    qrels = _qrels(directory / "qrels.tsv")
    async with httpx2.AsyncClient(base_url=url, timeout=60.0) as http:
        client = Client(http)
        await client.join()
        began = time.perf_counter()
        names = await _hand_in(client, documents, at_once)
        handed_in = time.perf_counter() - began
        states = await _until_settled(client, list(names), at_once)
        indexed = time.perf_counter() - began
        results = {mode: await _ask(client, queries, names, mode) for mode in MODES}
    return {
        "collection": directory.name,
        "documents": len(documents),
        "documents_ready": states.count("ready"),
        "queries": len(queries),
        "hand_in_seconds": round(handed_in, 1),
        "searchable_after_seconds": round(indexed, 1),
        "documents_per_second": round(len(documents) / indexed, 1),
        "load_average": os.getloadavg()[0],
        "modes": {mode: _figures(result, qrels) for mode, result in results.items()},
    }


async def _hand_in(
    client: Client, documents: Sequence[dict[str, str]], at_once: int
) -> dict[str, str]:
    """The collection's names of the documents, by the ids that they were given."""
    names: dict[str, str] = {}

    async def hand_in(document: dict[str, str]) -> None:
        form = {"title": document["title"].strip()[:300] or document["_id"]}
        content = document["text"].strip() or document["title"]
        file = ("document.md", (content or "(empty)").encode(), "text/markdown")
        made = await client.call("POST", "/v1/documents", data=form, files={"file": file})
        names[made["id"]] = document["_id"]

    await _each(documents, hand_in, at_once)
    return names


async def _until_settled(client: Client, ids: Sequence[str], at_once: int) -> list[str]:
    states: list[str] = []

    async def wait(document_id: str) -> None:
        while True:
            state = (await client.call("GET", f"/v1/documents/{document_id}"))["state"]
            if state in SETTLED:
                states.append(state)
                return
            await asyncio.sleep(0.5)

    await _each(ids, wait, at_once)
    return states


@dataclass(slots=True)
class Asked:
    """What one mode answered: a run, and how long each answer took, in milliseconds."""

    run: list[ScoredDoc] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    done_as_asked: int = 0


async def _ask(
    client: Client, queries: Sequence[dict[str, str]], names: dict[str, str], mode: str
) -> Asked:
    asked = Asked()
    for query in queries:
        body = {"query": query["text"][:2_000], "limit": PASSAGES, "mode": mode}
        began = time.perf_counter()
        answer = await client.call("POST", "/v1/search", json=body)
        asked.milliseconds.append((time.perf_counter() - began) * 1_000)
        asked.done_as_asked += answer["mode"] == mode
        best: dict[str, float] = {}
        for item in answer["items"]:
            name = names[item["document_id"]]
            best[name] = max(best.get(name, 0.0), item["score"])
        asked.run += [ScoredDoc(query["_id"], name, score) for name, score in best.items()]
    return asked


async def _each(items: Sequence[Any], work: Callable[[Any], Awaitable[None]], at_once: int) -> None:
    waiting = iter(items)

    async def take() -> None:
        for item in waiting:
            await work(item)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(at_once):
            tasks.create_task(take())


def _figures(asked: Asked, qrels: Sequence[Qrel]) -> dict[str, float]:
    quality = ir_measures.calc_aggregate([nDCG @ 10], qrels, asked.run)[nDCG @ 10]
    cuts = statistics.quantiles(asked.milliseconds, n=20)
    return {
        "ndcg_at_10": round(quality, 4),
        "p50_ms": round(cuts[9], 1),
        "p95_ms": round(cuts[18], 1),
        "answered_in_this_mode": asked.done_as_asked,
    }


def _lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def _qrels(path: Path) -> list[Qrel]:
    rows = [line.split("\t") for line in path.read_text().splitlines()[1:] if line.strip()]
    return [Qrel(query, document, int(relevance)) for query, document, relevance in rows]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("directory", type=Path, help="with corpus.jsonl, queries.jsonl, qrels.tsv")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--at-once", type=int, default=8, help="requests in flight")
    parser.add_argument("--output", type=Path, help="where to write the figures as JSON")
    given = parser.parse_args(arguments)
    figures = json.dumps(asyncio.run(measure(given.directory, given.url, given.at_once)), indent=2)
    if given.output:
        given.output.write_text(figures + "\n")
    print(figures)


if __name__ == "__main__":
    main()
