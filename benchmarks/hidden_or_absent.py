"""Whether a stranger can tell a hidden document from none by how long the answer takes.

    python -m benchmarks hidden_or_absent [--pairs N]

A stranger asks for ids of documents that somebody else has, and for as many that nobody has, by
turns and in random order on one connection. The area under the ROC curve (AUC) is how often a
hidden one took longer than an absent one: at 0.5 the time tells nothing. Its interval is the
middle 95 % of a bootstrap over the pairs, which keeps together what was asked at the same time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from uuid import uuid4

import httpx2

from benchmarks.measure import Goal, Measured, percentile, report
from benchmarks.servers import Server, strongroom

PAIRS = 2_000
IDS = 40
WARM_UP_PAIRS = 100
RESAMPLES = 1_000
DISTANCE_MAX = 0.03
PASSWORD = "a quiet lake under seven hills"
WORDS = "The rent of the harbour flat is 1,250 euros a month, due on the first day."
NOTES = (
    "Every answer was checked for its status, and hidden and absent for the same length.",
    f"Of either kind {IDS} ids were asked for, again and again; hidden ones are indexed documents.",
    "auc is the lower end of its interval, the area itself, and the upper end.",
)


@dataclass(frozen=True, slots=True)
class Route:
    """What is asked about an id, and the status that the answer must have."""

    name: str
    status: int
    line: str
    body: str = ""

    def encoded(self, document_id: str, bearer: str) -> bytes:
        body = self.body.replace("{id}", document_id).encode()
        head = [self.line.replace("{id}", document_id) + " HTTP/1.1", "Host: 127.0.0.1"]
        head += [f"Authorization: {bearer}", f"Content-Length: {len(body)}"]
        head += ["Content-Type: application/json"] if body else []
        return "\r\n".join([*head, "", ""]).encode() + body


def _search(mode: str) -> str:
    filters = {"document_ids": ["{id}"]}
    return json.dumps({"query": "the rent of the flat", "mode": mode, "filters": filters})


ROUTES = (
    Route("document", 404, "GET /v1/documents/{id}"),
    Route("content", 404, "GET /v1/documents/{id}/content"),
    Route("accesses", 404, "GET /v1/documents/{id}/accesses"),
    Route("search, keyword", 200, "POST /v1/search", _search("keyword")),
    Route("search, hybrid", 200, "POST /v1/search", _search("hybrid")),
)


@dataclass
class Times:
    """Milliseconds, pair by pair."""

    hidden: list[float] = field(default_factory=list)
    absent: list[float] = field(default_factory=list)

    def auc(self) -> float:
        return _auc(self.hidden, self.absent)

    def interval(self, chance: random.Random) -> tuple[float, float]:
        pairs = range(len(self.hidden))
        found = []
        for _ in range(RESAMPLES):
            drawn = chance.choices(pairs, k=len(pairs))
            found.append(_auc([self.hidden[at] for at in drawn], [self.absent[at] for at in drawn]))
        ends = statistics.quantiles(found, n=40, method="inclusive")
        return ends[0], ends[-1]


async def measure(pairs: int) -> None:
    chance, load_before = random.Random(20), os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="strongroom-benchmark-") as scratch:
        async with strongroom(Path(scratch)) as server:
            hidden = await _hidden(server)
            absent = [str(uuid4()) for _ in hidden]
            times = {}
            for route in ROUTES:
                print(f"{route.name}: {pairs} pairs", flush=True)
                bearer = await _stranger(server)  # a token lasts for ten minutes
                await _by_turns(server, route, bearer, hidden, absent, WARM_UP_PAIRS, chance)
                times[route.name] = await _by_turns(
                    server, route, bearer, hidden, absent, pairs, chance
                )
    _report(times, load_before, chance)


async def _by_turns(
    server: Server,
    route: Route,
    bearer: str,
    hidden: Sequence[str],
    absent: Sequence[str],
    pairs: int,
    chance: random.Random,
) -> Times:
    times, lengths = Times(), set()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for _ in range(pairs):
            sides = [(times.hidden, chance.choice(hidden)), (times.absent, chance.choice(absent))]
            chance.shuffle(sides)
            for kept, document_id in sides:
                encoded = route.encoded(document_id, bearer)
                began = time.perf_counter()
                writer.write(encoded)
                head = await reader.readuntil(b"\r\n\r\n")
                length = _length(head)
                body = await reader.readexactly(length)
                kept.append((time.perf_counter() - began) * 1_000)
                assert head.startswith(f"HTTP/1.1 {route.status}".encode()), (head, body)
                lengths.add(length if route.status == 404 else body[:12])
    finally:
        writer.close()
    assert len(lengths) == 1, "an answer tells by its length"
    return times


async def _hidden(server: Server) -> list[str]:
    """Documents of Asha's, indexed, some of them changed since."""
    async with httpx2.AsyncClient(base_url=server.url, timeout=60) as http:
        http.headers["Authorization"] = await _signed_up(http, "Asha")
        found = []
        for number in range(IDS):
            files = {"file": ("lease.txt", f"{WORDS} It is flat {number}.".encode())}
            made = await http.post("/v1/documents", files=files)
            found.append(made.raise_for_status().json()["id"])
        for each in found[: IDS // 2]:
            headers = {"If-Match": '"1"'}
            changed = await http.put(
                f"/v1/documents/{each}/content", content=WORDS.encode(), headers=headers
            )
            changed.raise_for_status()
        for each in found:
            while (await http.get(f"/v1/documents/{each}")).json()["state"] != "ready":  # noqa: ASYNC110
                await asyncio.sleep(0.1)
    return found


async def _stranger(server: Server) -> str:
    """Somebody of the same tenant, with a document of their own."""
    async with httpx2.AsyncClient(base_url=server.url, timeout=60) as http:
        bearer = http.headers["Authorization"] = await _signed_up(http, "Cara")
        files = {"file": ("own.txt", b"A letter about the rent of a flat.")}
        (await http.post("/v1/documents", files=files)).raise_for_status()
    return bearer


async def _signed_up(http: httpx2.AsyncClient, name: str) -> str:
    who = {"email": f"{uuid4()}@example.org", "password": PASSWORD}
    (await http.post("/v1/accounts", json={**who, "display_name": name})).raise_for_status()
    session = (await http.post("/v1/sessions", json=who)).raise_for_status()
    return f"Bearer {session.json()['access_token']}"


def _auc(above: Sequence[float], below: Sequence[float]) -> float:
    """How often one of `above` is larger than one of `below`, a draw being half: by ranks, as Mann
    and Whitney count."""
    ordered = sorted([(value, 1) for value in above] + [(value, 0) for value in below])
    ranks, at = 0.0, 0
    for _, same in groupby(ordered, key=itemgetter(0)):
        drawn = [is_above for _, is_above in same]
        ranks += (at + (len(drawn) + 1) / 2) * sum(drawn)
        at += len(drawn)
    least = len(above) * (len(above) + 1) / 2
    return (ranks - least) / (len(above) * len(below))


def figures_of(
    times: dict[str, Times], chance: random.Random, kinds: tuple[str, str] = ("hidden", "absent")
) -> dict[str, dict[str, list[float]]]:
    """What time told: the area with its interval, how far it is from 0.5, and both medians."""
    values: dict[str, dict[str, list[float]]] = {"auc": {}, "auc_distance": {}, "p50_ms": {}}
    for name, found in times.items():
        area, (low, high) = found.auc(), found.interval(chance)
        values["auc"][name] = [low, area, high]
        values["auc_distance"][name] = [abs(area - 0.5)]
        for kind, taken in zip(kinds, (found.hidden, found.absent), strict=True):
            values["p50_ms"][f"{name}: {kind}"] = [percentile(taken, 50)]
    return values


def _report(
    times: dict[str, Times], load_before: tuple[float, float, float], chance: random.Random
) -> None:
    values = figures_of(times, chance)
    goals = [Goal(figure="auc_distance", side=name, at_most=DISTANCE_MAX) for name in times]
    measured = Measured(name="hidden_or_absent", values=values, load_before=load_before)
    report(measured, goals=goals, notes=NOTES)


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    raise AssertionError(f"An answer without a length: {head!r}")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=PAIRS)
    given = parser.parse_args(arguments)
    asyncio.run(measure(given.pairs))


if __name__ == "__main__":
    main()
