"""Invariant 13: keys rotate while they are in use, and the rewrapping is killed again and again.

Everything stays readable, no old key is left in the end, and no nonce was used twice.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from adapters.postgres.engine import Database
from adapters.postgres.keykeeper import PostgresKeykeeper
from domain.identity import PERSONAL_USE, Caller, TenantId
from domain.vault.document import Document
from entrypoints.background import beside
from entrypoints.container import Container
from tests.integration.conftest import add_text

CallerIn = Callable[[TenantId], Awaitable[Caller]]

DOCUMENTS = 100
ROUNDS = 5
AT_ONCE = 2
NONCE_BYTES = 12
ROOT_VERSION_BYTES = 4

_REWRAPPER = """
import asyncio, sys
from pathlib import Path
from adapters.encryption.boxes import HpkeBoxes
from adapters.encryption.canonical_json import canonical_json
from adapters.encryption.cipher import AesGcmCipher
from adapters.encryption.keyring import LocalKeyring
from adapters.identifiers import uuid7
from adapters.postgres.engine import KEYKEEPER, Database
from adapters.postgres.evidence import PostgresEvidence
from adapters.postgres.key_chain import KeyChain
from adapters.postgres.keykeeper import PostgresKeykeeper
from adapters.postgres.keys import PostgresKeys
from adapters.postgres.rewrapping import Rewrapping
from adapters.postgres.root_rewrapping import RootRewrapping

async def main():
    engine = Database.at(sys.argv[1]).engine(KEYKEEPER, pool_size=2)
    keyring = LocalKeyring.open(Path(sys.argv[2]), create=False)
    chain = KeyChain(root=keyring, cipher=AesGcmCipher())
    keys = PostgresKeys(chain=chain, new_id=uuid7)
    evidence = PostgresEvidence(
        engine=engine, keys=keys, boxes=HpkeBoxes(), canonical=canonical_json
    )
    keykeeper = PostgresKeykeeper(
        engine=engine, chain=chain, evidence=evidence, new_id=uuid7,
        rewrapping=Rewrapping(engine=engine, chain=chain, batch=4),
        root=RootRewrapping(engine=engine, root=keyring, evidence=evidence, new_id=uuid7),
    )
    print("ready", flush=True)
    sys.stdin.readline()
    while True:
        await keykeeper.rewrap()

asyncio.run(main())
"""

# Every value that is ever stored in a column of wrapped keys, with the key that it is under.
_REMEMBER = """
CREATE TABLE IF NOT EXISTS public.seen_wrapped (under uuid, wrapped bytea);
CREATE OR REPLACE FUNCTION remember_wrapped() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public AS $$
BEGIN
    IF TG_OP = 'INSERT' OR NEW.wrapped IS DISTINCT FROM OLD.wrapped THEN
        INSERT INTO seen_wrapped VALUES (NEW.wrapping_key_id, NEW.wrapped);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER remember_wrapped AFTER INSERT OR UPDATE ON wrapping_keys
    FOR EACH ROW EXECUTE FUNCTION remember_wrapped();
CREATE TRIGGER remember_wrapped AFTER INSERT OR UPDATE ON data_keys
    FOR EACH ROW EXECUTE FUNCTION remember_wrapped();
"""
_FORGET = """
DROP TRIGGER remember_wrapped ON wrapping_keys;
DROP TRIGGER remember_wrapped ON data_keys;
DROP FUNCTION remember_wrapped();
DROP TABLE seen_wrapped;
"""


@pytest.fixture
async def administrator(database: Database) -> AsyncIterator[object]:
    connection = await database.connect("postgres")
    await connection.execute(_REMEMBER)
    try:
        yield connection
    finally:
        await connection.execute(_FORGET)
        await connection.close()


class Load:
    """People who store and read all the time; what they read is compared with what they stored."""

    def __init__(self, container: Container, people: list[Caller]) -> None:
        self.container, self.people = container, people
        self.stored: list[tuple[Caller, Document, str]] = []
        self.reads = 0

    async def store(self) -> None:
        caller, content = random.choice(self.people), f"content {random.random()}"
        document = await add_text(self.container, caller, content, "Title")
        self.stored.append((caller, document, content))

    async def read(self, caller: Caller, document: Document, content: str) -> None:
        opened = await self.container.read_content()(
            caller=caller, document_id=document.id, purpose=PERSONAL_USE
        )
        found = b"".join([piece async for piece in opened.read(0, opened.length)])
        assert found == content.encode()
        self.reads += 1

    async def go_on(self) -> None:
        while True:
            await self.read(*random.choice(self.stored))
            if random.random() < 0.1:
                await self.store()
            await asyncio.sleep(0.002)


@asynccontextmanager
async def rewrappers(container: Container, database: Database) -> AsyncIterator[list[Process]]:
    """Processes that are ready to rewrap, and begin when they are sent a line."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    keyring = container.settings().data_dir / "keyring.json"
    command = [sys.executable, "-c", _REWRAPPER, url, str(keyring)]
    processes = [
        await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        for _ in range(AT_ONCE)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert (await process.stdout.readline()) == b"ready\n"
        yield processes
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.mark.slow
async def test_rotation_survives_kills_under_load(
    container: Container,
    database: Database,
    administrator: object,
    tenant_id: TenantId,
    caller_in: CallerIn,
    monkeypatch: pytest.MonkeyPatch,
    figure: Callable[[str], None],
) -> None:
    keykeeper = container.keykeeper()
    assert isinstance(keykeeper, PostgresKeykeeper)
    load = Load(container, [await caller_in(tenant_id) for _ in range(3)])
    await asyncio.gather(*(load.store() for _ in range(DOCUMENTS)))
    kills = landed = 0
    async with (
        beside(load.go_on(), name="load"),
        beside(load.go_on(), name="load too"),
    ):
        for number in range(ROUNDS):
            async with rewrappers(container, database) as processes:
                await asyncio.gather(
                    *(keykeeper.rotate(tenant_id, each.person_id) for each in load.people)
                )
                await keykeeper.rotate(tenant_id)
                if number % 3 == 0:
                    await keykeeper.rotate_root()
                for process in processes:
                    assert process.stdin is not None
                    process.stdin.write(b"go\n")
                for process in processes:
                    await asyncio.sleep(random.uniform(0.01, 0.12))
                    process.send_signal(signal.SIGKILL)
                    kills += 1
                    await process.wait()
                    landed += await _under_old_keys(container, tenant_id) > 0
    monkeypatch.setattr(keykeeper.root, "grace_seconds", 0.0)
    for _ in range(3):
        await keykeeper.rewrap()

    for each in load.stored:
        await load.read(*each)
    left = [each for each in await keykeeper.versions(tenant_id) if not each.active]
    assert left == []
    wrapped = await administrator.fetch("SELECT under, wrapped FROM seen_wrapped")  # type: ignore[attr-defined]
    nonces = Counter(_nonce(row["under"], row["wrapped"]) for row in wrapped)
    assert max(nonces.values()) == 1
    assert landed > 0
    figure(
        f"{landed} of {kills} kills landed, {len(load.stored)} documents, {load.reads} reads, "
        f"{len(wrapped)} wrapped values, unreadable 0, old keys left 0, nonces reused 0"
    )


def _nonce(under: object, wrapped: bytes) -> tuple[object, bytes]:
    """With the key that it was used with: the root key's version stands before its values."""
    if under is None:
        version, rest = wrapped[:ROOT_VERSION_BYTES], wrapped[ROOT_VERSION_BYTES:]
        return version, rest[:NONCE_BYTES]
    return under, wrapped[:NONCE_BYTES]


async def _under_old_keys(container: Container, tenant_id: TenantId) -> int:
    found = await container.keykeeper().versions(tenant_id)
    return sum(each.wraps for each in found if not each.active)
