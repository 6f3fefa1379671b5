"""From the acknowledgement of a withdrawal to the last byte that a reader of an answer receives.

    python -m benchmarks revocation [--rounds N] [--runs N] [--readers N]

Two `strongroom serve` on one database. One person's answers all quote a document of another's; each
has readers on both processes. The owner revokes the grant, and every reader is to be told
`access_revoked`, as the last thing.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from adapters.postgres.embedded import embedded_database
from benchmarks.measure import ROUNDS_MIN, Figures, Goal, by_turns, percentile, report
from benchmarks.servers import strongroom

RUNS = 100
READERS = 10
ASKED_AT_ONCE = 8
OPENED_AT_ONCE = 32
ATTEMPTS_MAX = 20
PASSWORD = "a quiet lake under seven hills"
PURPOSE = "research"
QUESTION = "How much is the deposit of the flat?"
BEGUN_SECONDS_MAX = 300.0
ENDED_SECONDS_MAX = 60.0
SETTINGS = {
    "access_token_seconds": "3600",
    "extractive_words_per_second": "0.5",  # so that answers last until all of them have begun
    "question_rate_per_person": "100000/minute",
    "runs_at_once": "2000",
    "run_seconds_max": "600",
}
SIDE = "both processes"
NOTES = (
    "Every stream ended with access_revoked, and no answer had ended by itself before.",
    "Time counts from the reply to the revocation, at the client that sent it; what came before"
    " it counts as 0.",
    "Client, servers and PostgreSQL share this machine.",
)

# Four sentences that differ, each as long as is quoted, so that an answer lasts for minutes.
FACTS = " ".join(
    f"The deposit of the flat in house {house} is {house}00 euros, which with the "
    + " ".join(f"{house}{number}th of its {word} rooms" for number in range(10, 22))
    + " is paid back at the end."
    for house, word in enumerate(("yellow", "narrow", "sunny", "upper"), start=1)
)


@dataclass
class Reader:
    """A stream of one run, and what was the last that came."""

    last_type: bytes = b""
    last_byte_at: float = 0.0
    events: int = 0
    is_over: bool = False
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def read(self, url: str, token: str, run_id: str, turns: asyncio.Semaphore) -> None:
        """Until the server ends the stream. Raises AssertionError where it does not say 200."""
        async with turns:
            reader, writer = await _opened(url, token, run_id)
        try:
            while line := await reader.readline():
                self.last_byte_at = time.perf_counter()
                if line.startswith(b"event: "):
                    self.last_type = line[7:].strip()
                    self.events += 1
                    if self.last_type == b"text_delta":
                        self.begun.set()
        finally:
            self.is_over = True
            writer.close()


async def _opened(
    url: str, token: str, run_id: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The connection of a stream after its head; asks again where the machine was too busy."""
    address = httpx2.URL(url)
    request = (
        f"GET /v1/runs/{run_id}/events HTTP/1.1\r\nHost: {address.host}\r\n"
        f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    )
    for _ in range(ATTEMPTS_MAX):
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 200"):
            return reader, writer
        assert head.startswith(b"HTTP/1.1 503"), head
        writer.close()
        await asyncio.sleep(1)
    raise AssertionError("too busy to open a stream")


async def person(http: httpx2.AsyncClient, name: str) -> str:
    """Signs a new person in, for this client, and returns the email address."""
    email = f"{uuid4()}@example.org"
    account = {"email": email, "password": PASSWORD, "display_name": name}
    (await http.post("/v1/accounts", json=account)).raise_for_status()
    who = {"email": email, "password": PASSWORD}
    session = (await http.post("/v1/sessions", json=who)).raise_for_status().json()
    http.headers["Authorization"] = f"Bearer {session['access_token']}"
    return email


async def seconds_to_the_last_byte(
    urls: Sequence[str],
    owner: httpx2.AsyncClient,
    asker: httpx2.AsyncClient,
    grantee: str,
    *,
    runs: int,
    readers: int,
) -> list[float]:
    """Share a document, have it quoted in so many runs, revoke: seconds for each reader.

    `grantee` is the email address of the one who asks. Raises AssertionError where a reader was
    told anything else in the end, or where no answer was under way.
    """
    grant_id = await _shared(owner, grantee)
    run_ids = await _asked(urls, asker, runs)
    token = asker.headers["Authorization"].removeprefix("Bearer ")
    reading = [Reader() for _ in range(runs * readers)]
    turns = asyncio.Semaphore(OPENED_AT_ONCE)
    async with asyncio.TaskGroup() as tasks:
        for number, each in enumerate(reading):
            url = urls[number // runs % len(urls)]
            tasks.create_task(each.read(url, token, run_ids[number % runs], turns))
        async with asyncio.timeout(BEGUN_SECONDS_MAX):
            await asyncio.gather(*(each.begun.wait() for each in reading))
        (await owner.post(f"/v1/grants/{grant_id}/revoke")).raise_for_status()
        acknowledged_at = time.perf_counter()
        ended = asyncio.get_running_loop().time() + ENDED_SECONDS_MAX
        tasks.create_task(_ended(reading, ended))
    told = Counter(each.last_type for each in reading)
    assert told.keys() == {b"access_revoked"}, told
    return [max(0.0, each.last_byte_at - acknowledged_at) for each in reading]


async def _ended(reading: Sequence[Reader], at: float) -> None:
    """Readers end by themselves; what is not over by then fails."""
    while going_on := sum(not each.is_over for each in reading):
        assert asyncio.get_running_loop().time() < at, f"{going_on} streams went on"
        await asyncio.sleep(0.1)


async def _shared(owner: httpx2.AsyncClient, grantee: str) -> str:
    """A document that can be searched, and a grant of it."""
    files = {"file": ("flats.txt", FACTS.encode(), "text/plain")}
    made = await _posted(owner, "/v1/documents", files=files, data={"title": "Flats"})
    path = f"/v1/documents/{made['id']}"
    while (await owner.get(path)).json()["state"] != "ready":  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    body = {
        "grantee": grantee,
        "resource": {"kind": "document", "id": made["id"]},
        "actions": ["read", "search", "quote"],
        "purpose": PURPOSE,
        "expires_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
    }
    return str((await _posted(owner, "/v1/grants", json=body))["id"])


async def _asked(urls: Sequence[str], asker: httpx2.AsyncClient, runs: int) -> list[str]:
    """So many runs, on the processes by turns."""
    turns = asyncio.Semaphore(ASKED_AT_ONCE)

    async def one(number: int) -> str:
        url = urls[number % len(urls)]
        async with turns:
            chat = await _posted(asker, f"{url}/v1/conversations", json={})
            body = {"content": QUESTION, "purpose": PURPOSE}
            path = f"{url}/v1/conversations/{chat['id']}/messages"
            asked = await _posted(asker, path, json=body)
            return str(asked["run"]["id"])

    return await asyncio.gather(*(one(number) for number in range(runs)))


async def _posted(http: httpx2.AsyncClient, url: str, **sent: Any) -> Any:
    """Under a key, and so again where the machine was too busy for it."""
    key = {"Idempotency-Key": uuid4().hex}
    for _ in range(ATTEMPTS_MAX):
        answer = await http.post(url, headers=key, **sent)
        if answer.status_code != 503:
            break
        await asyncio.sleep(1)
    return answer.raise_for_status().json()


async def measure(rounds: int, runs: int, readers: int) -> None:
    with tempfile.TemporaryDirectory(prefix="strongroom-benchmark-") as scratch:
        data_dir = Path(scratch) / "ours"
        async with AsyncExitStack() as parts:
            url = await parts.enter_async_context(embedded_database(Path(scratch) / "database"))
            urls = [
                (
                    await parts.enter_async_context(
                        strongroom(data_dir, database_url=url, settings=SETTINGS)
                    )
                ).url
                for _ in range(2)
            ]
            owner, asker = [
                await parts.enter_async_context(httpx2.AsyncClient(base_url=urls[0], timeout=120))
                for _ in range(2)
            ]
            await person(owner, "Asha")
            grantee = await person(asker, "Ben")

            async def side() -> Figures:
                taken = await seconds_to_the_last_byte(
                    urls, owner, asker, grantee, runs=runs, readers=readers
                )
                return _figures([1_000 * each for each in taken])

            measured = await by_turns("revocation", {SIDE: side}, rounds=rounds)
    goal = Goal(figure="last_byte_p99_ms", side=SIDE, at_most=1_000)
    streams = f"{runs} runs with {readers} readers each: {runs * readers} streams in each round."
    report(measured, goals=[goal], notes=[streams, *NOTES])


def _figures(milliseconds: Sequence[float]) -> Mapping[str, float]:
    return {
        "last_byte_p50_ms": percentile(milliseconds, 50),
        "last_byte_p99_ms": percentile(milliseconds, 99),
        "last_byte_max_ms": max(milliseconds),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--readers", type=int, default=READERS, help="of each run")
    given = parser.parse_args(arguments)
    asyncio.run(measure(given.rounds, given.runs, given.readers))


if __name__ == "__main__":
    main()
