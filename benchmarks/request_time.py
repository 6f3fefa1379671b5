"""The time of one authenticated request, beside a Litestar and SQLAlchemy hello world.

    python -m benchmarks request_time [--rounds N] [--requests N]

Both servers run as they are started by default, on one PostgreSQL. Ours verifies a token, enters
the tenant and reads under row-level security; the peer reads one row by its primary key.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import httpx2

from adapters.postgres.embedded import embedded_database
from benchmarks.keep_alive import Request, milliseconds
from benchmarks.measure import ROUNDS_MIN, Figures, Side, by_turns, percentile, report
from benchmarks.servers import Server, hello_world, strongroom

CONNECTIONS = (1, 16)
REQUESTS = 640
WARM_UP_REQUESTS = 64
PASSWORD = "a quiet lake under seven hills"
PEER = "hello_world GET /people/{id}"
NOTES = (
    "Every answer was checked for status 200 and for the row that was asked for.",
    "Client, servers and PostgreSQL share this machine: the client's time is in every figure.",
    "Our side logs every request; the peer, as it was started, logs none.",
)


async def measure(rounds: int, requests: int) -> None:
    with tempfile.TemporaryDirectory(prefix="strongroom-benchmark-") as scratch:
        beside = Path(scratch)
        async with (
            embedded_database(beside / "database") as url,
            strongroom(beside / "ours", database_url=url) as ours,
            hello_world(beside / "peer", database_url=url) as peer,
        ):
            asked = {**await _ours(ours), PEER: _peer(peer)}
            sides = {name: _side(request, requests) for name, request in asked.items()}
            measured = await by_turns("request_time", sides, rounds=rounds)
    report(measured, ratios=[(name, PEER) for name in asked if name != PEER], notes=NOTES)


async def _ours(server: Server) -> Mapping[str, Request]:
    """A person with one document, who asks for both."""
    who = {"email": f"{uuid4()}@example.org", "password": PASSWORD}
    async with httpx2.AsyncClient(base_url=server.url, timeout=60) as http:
        account = {**who, "display_name": "Asha"}
        (await http.post("/v1/accounts", json=account)).raise_for_status()
        session = (await http.post("/v1/sessions", json=who)).raise_for_status()
        bearer = f"Bearer {session.json()['access_token']}"
        http.headers["Authorization"] = bearer
        files = {"file": ("lease.txt", b"The rent is 1,250 euros a month.", "text/plain")}
        made = await http.post("/v1/documents", files=files, data={"title": "Lease"})
        document = made.raise_for_status().json()["id"]
        while (await http.get(f"/v1/documents/{document}")).json()["state"] != "ready":  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    headers = [("Authorization", bearer)]
    return {
        "strongroom GET /v1/me": Request(
            port=server.port, path="/v1/me", expected=who["email"].encode(), headers=headers
        ),
        "strongroom GET /v1/documents/{id}": Request(
            port=server.port,
            path=f"/v1/documents/{document}",
            expected=b'"Lease"',
            headers=headers,
        ),
    }


def _peer(server: Server) -> Request:
    return Request(port=server.port, path="/people/1", expected=b"asha@example.org")


def _side(request: Request, requests: int) -> Side:
    async def side() -> Figures:
        figures = {}
        for connections in CONNECTIONS:
            await milliseconds(request, connections=connections, requests=WARM_UP_REQUESTS)
            began = time.perf_counter()
            times = await milliseconds(request, connections=connections, requests=requests)
            seconds = time.perf_counter() - began
            assert len(times) == requests
            figures[f"{connections}_connections_p50_ms"] = percentile(times, 50)
            figures[f"{connections}_connections_p95_ms"] = percentile(times, 95)
            figures[f"{connections}_connections_requests_per_second"] = requests / seconds
        return figures

    return side


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="a multiple of 16")
    given = parser.parse_args(arguments)
    if given.requests < 16 or given.requests % 16:
        parser.error("--requests must be a multiple of 16")
    asyncio.run(measure(given.rounds, given.requests))


if __name__ == "__main__":
    main()
