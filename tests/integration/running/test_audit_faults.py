"""The audit row is the key: where the log cannot be written, nothing is shown and nothing stored.

Every fault is real. What is asked while it lasts gets 503 within a bound; what is found in the
answers is searched for text that only the vault knows.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx2
import pytest

from tests.integration.running.audit_faults import (
    Fault,
    by_error,
    by_full_disk,
    by_hanging,
    by_revocation,
)
from tests.integration.running.people import PURPOSE, Json, Person, grant_body, json_of, signed_up
from tests.integration.running.program import Program, ending

REQUESTS = int(os.environ.get("STRONGROOM_TEST_AUDIT_REQUESTS", "60"))
"""For each fault, at least; for one that hangs a twentieth of it."""
REQUESTS_AT_LENGTH = 3_300
AT_ONCE = 16
GATE_SECONDS = 1.0
# Whoever waits for the gate waits its time, a write three seconds for its event, a lock is waited
# for for five; and all may have waited for one of the connections that hang, for ten.
ANSWER_SECONDS_MAX = 18.0
TRUST_SECONDS = 1.0
CANARY = "heronspoonbill"

Call = Callable[[], Awaitable[httpx2.Response]]


@dataclass
class Scene:
    """Asha's things, some of them shared with Ben; each holds the canary."""

    program: Program
    asha: Person
    ben: Person
    ids: dict[str, str]
    statuses: list[int] = field(default_factory=list)
    slowest: float = 0.0

    def calls(self) -> Sequence[Call]:
        """Every way to read or write something protected."""
        return [*self._reads(self.asha), *self._reads(self.ben), *self._writes()]

    def _reads(self, person: Person) -> Sequence[Call]:
        http, ids = person.http, self.ids
        document, purpose = f"/v1/documents/{ids['document']}", {"purpose": PURPOSE}
        search = {"query": CANARY, "purpose": PURPOSE, "mode": "keyword"}
        shared: list[Call] = [
            lambda: http.get(f"{document}/content", params=purpose),
            lambda: http.get(f"{document}/content", params=purpose, headers={"Range": "bytes=0-9"}),
            lambda: http.get(f"{document}/text", params=purpose),
            lambda: http.get(document, params=purpose),
            lambda: http.post("/v1/search", json=search),
        ]
        conversation, run = f"/v1/conversations/{ids['conversation']}", f"/v1/runs/{ids['run']}"
        own: list[Call] = [
            lambda: http.get("/v1/documents"),
            lambda: http.get("/v1/conversations"),
            lambda: http.get(conversation),
            lambda: http.get(f"{conversation}/messages"),
            lambda: http.get(f"{run}/events"),
            lambda: http.get("/v1/collections"),
            lambda: http.get(f"/v1/collections/{ids['collection']}"),
        ]
        return [*shared, *own] if person is self.asha else shared

    def _writes(self) -> Sequence[Call]:
        http, ids, ben = self.asha.http, self.ids, self.ben
        document, title = f"/v1/documents/{ids['document']}", {"title": CANARY}
        conversation = f"/v1/conversations/{ids['conversation']}"
        file, etag = {"file": ("new.txt", CANARY)}, {"If-Match": '"1"'}
        return [
            lambda: http.post("/v1/documents", files=file, data=title),
            lambda: http.put(f"{document}/content", content=CANARY, headers=etag),
            lambda: http.patch(document, json={"weight": 2.0}),
            lambda: http.post("/v1/grants", json=grant_body(ids["document"], ben.email)),
            lambda: http.post(f"/v1/grants/{ids['grant']}/revoke"),
            lambda: http.post("/v1/conversations", json=title),
            lambda: http.post(f"{conversation}/messages", json={"content": f"What of {CANARY}?"}),
            lambda: http.delete(conversation),
            lambda: http.post("/v1/collections", json=title),
            lambda: http.patch(f"/v1/collections/{ids['collection']}", json=title),
            lambda: http.delete(document),
        ]

    async def ask(self, calls: Sequence[Call]) -> None:
        """Some at a time; whatever is answered is looked at."""
        turns = asyncio.Semaphore(AT_ONCE)

        async def one(call: Call) -> None:
            async with turns:
                began = time.monotonic()
                answer = await call()
                self.slowest = max(self.slowest, time.monotonic() - began)
            self.statuses.append(answer.status_code)
            assert CANARY.encode() not in answer.content, answer.request.url
            assert answer.status_code == 503, f"{answer.request.method} {answer.request.url}"
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) > 0

        await asyncio.gather(*(one(call) for call in calls))

    async def health(self) -> tuple[int, Json]:
        async with self.program.client() as http:
            answer = await http.get("/health/ready")
        return answer.status_code, json_of(answer)["parts"]["audit"]


@pytest.fixture(scope="module")
async def program(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Program]:
    program = Program(places(), models=built_models, gate_seconds_max=GATE_SECONDS)
    async with ending(program):
        await program.start()
        yield program


@pytest.fixture(scope="module")
async def administrator(program: Program) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(program.database_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def scene(program: Program) -> AsyncIterator[Scene]:
    async with signed_up(program, "Asha") as asha, signed_up(program, "Ben") as ben:
        document = await asha.ready(f"The {CANARY} stood in the reeds.", title=CANARY)
        grant = await asha.grant(document["id"], ben)
        made = await asha.http.post("/v1/conversations", json={"title": CANARY})
        conversation = json_of(made)["id"]
        asked = await asha.http.post(
            f"/v1/conversations/{conversation}/messages",
            json={"content": f"Where did the {CANARY} stand?"},
        )
        assert asked.status_code == 202, asked.text
        run = json_of(asked)["run"]["id"]
        while json_of(await asha.http.get(f"/v1/runs/{run}"))["state"] == "running":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        collection = await asha.http.post("/v1/collections", json={"title": CANARY})
        ids = {
            "document": document["id"],
            "grant": grant["id"],
            "conversation": conversation,
            "run": run,
            "collection": json_of(collection)["id"],
        }
        yield Scene(program, asha, ben, ids)


@asynccontextmanager
async def nothing_changes(scene: Scene, administrator: asyncpg.Connection) -> AsyncIterator[None]:
    """What is stored before and after, and that everything works again without help."""
    counted = " UNION ALL ".join(
        f"SELECT '{table}', count(*) FROM {table}"
        for table in ("documents", "versions", "grants", "messages", "collections")
    )
    # Whose first act is refused has a pair of keys for evidence afterwards, and nothing else.
    counted += " UNION ALL SELECT 'keys', count(*) FROM data_keys WHERE kind <> 'evidence'"
    before = await administrator.fetch(counted)
    async with scene_recovering(scene):
        yield
    assert await administrator.fetch(counted) == before


@asynccontextmanager
async def scene_recovering(scene: Scene) -> AsyncIterator[None]:
    yield
    async with asyncio.timeout(10):
        while (await scene.health())[0] != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    for call in [*scene._reads(scene.asha), *scene._reads(scene.ben)]:
        answer = await call()
        assert answer.status_code in (200, 206), f"{answer.request.url}: {answer.text}"


FAULTS: dict[str, tuple[Fault, str]] = {
    "an insert that fails": (by_error("audit_events"), "P0001"),
    "a trigger of the queue that fails": (by_error("audit_pending"), "P0001"),
    "a revoked privilege": (by_revocation("INSERT", "audit_bodies"), "not permitted"),
}
HANGING: dict[str, tuple[Fault, str]] = {
    "a queue that somebody holds": (by_hanging("audit_pending"), "locked"),
}
# Of these only releases take notice: keys of one's own titles and chats do not go through them.
TAKING: dict[str, Fault] = {
    "takes that fail": by_error("audit_takes"),
    "keys that may not be taken": by_revocation("EXECUTE", "FUNCTION take_deks, take_released"),
    "takes that hang": by_hanging("audit_takes"),
}


@pytest.mark.parametrize(
    "name", [*FAULTS, *(pytest.param(name, marks=pytest.mark.slow) for name in HANGING)]
)
async def test_no_log_no_plaintext(
    scene: Scene, administrator: asyncpg.Connection, name: str, figure: Callable[[str], None]
) -> None:
    await _no_log_no_plaintext(scene, administrator, name, figure, REQUESTS)


@pytest.mark.long
@pytest.mark.parametrize(
    "name", [*FAULTS, *(pytest.param(name, marks=pytest.mark.slow) for name in HANGING)]
)
async def test_no_log_no_plaintext_at_length(
    scene: Scene, administrator: asyncpg.Connection, name: str, figure: Callable[[str], None]
) -> None:
    """Invariant 5: ten thousand requests, with those of the fault that hangs."""
    await _no_log_no_plaintext(scene, administrator, name, figure, REQUESTS_AT_LENGTH)


async def _no_log_no_plaintext(
    scene: Scene,
    administrator: asyncpg.Connection,
    name: str,
    figure: Callable[[str], None],
    requests: int,
) -> None:
    fault, reason = (FAULTS | HANGING)[name]
    requests = requests if name in FAULTS else requests // 20
    scene.statuses, scene.slowest = [], 0.0
    async with nothing_changes(scene, administrator), fault(administrator):
        await asyncio.sleep(TRUST_SECONDS)
        while len(scene.statuses) < requests:
            await scene.ask(scene.calls())
        status, audit = await scene.health()
        assert (status, audit["state"]) == (503, "down")
        assert reason in audit["reason"]
    figure(_told(name, scene))
    assert scene.slowest < ANSWER_SECONDS_MAX


@pytest.mark.parametrize("name", TAKING)
async def test_no_plaintext_where_it_cannot_be_recorded_that_keys_were_taken(
    scene: Scene, administrator: asyncpg.Connection, name: str, figure: Callable[[str], None]
) -> None:
    scene.statuses, scene.slowest = [], 0.0
    reads = [*scene._reads(scene.asha)[:3], *scene._reads(scene.ben)]
    async with scene_recovering(scene), TAKING[name](administrator):
        while len(scene.statuses) < REQUESTS // 4:
            await scene.ask(reads)
    figure(_told(name, scene))
    assert scene.slowest < ANSWER_SECONDS_MAX


@pytest.mark.slow
async def test_no_disk_no_plaintext(
    scene: Scene,
    administrator: asyncpg.Connection,
    place: Path,
    figure: Callable[[str], None],
) -> None:
    scene.statuses, scene.slowest = [], 0.0
    document = f"/v1/documents/{scene.ids['document']}"
    whom = (scene.ids["document"], scene.ben.email)
    async with scene_recovering(scene), by_full_disk(place)(administrator):
        # What is left in the last pages is used up first: that is in the log. Small events fit
        # in where large ones do not, so it goes on until nothing does.
        refused = 0
        async with asyncio.timeout(30):
            while refused < 20:
                answers = [
                    await scene.asha.http.get(f"{document}/content"),
                    await scene.asha.http.post("/v1/grants", json=grant_body(*whom)),
                    await scene.ben.http.get(f"{document}/content", params={"purpose": "care"}),
                ]
                full = all(answer.status_code == 503 for answer in answers)
                refused = refused + 1 if full else 0
        await asyncio.sleep(TRUST_SECONDS)
        while (await scene.health())[0] == 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        while len(scene.statuses) < REQUESTS:
            await scene.ask(scene.calls())
        status, audit = await scene.health()
        assert (status, audit["reason"]) == (503, "no space on its disk")
    figure(_told("a full disk", scene))


def _told(name: str, scene: Scene) -> str:
    return (
        f"{name}: disclosures 0 of {len(scene.statuses)} requests, the slowest answered 503"
        f" after {scene.slowest * 1000:.0f} ms"
    )
