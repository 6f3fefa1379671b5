"""Strongroom with its keys in a real OpenBao: nothing of them lies in its own files."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from tests.integration.openbao import Bao
from tests.integration.running.failed_releases import WAYS, accesses_of, things_of
from tests.integration.running.people import signed_up
from tests.integration.running.program import Program, command, ending

pytestmark = pytest.mark.services


@pytest.fixture
async def program(bao: Bao, place: Path, built_models: Path) -> AsyncIterator[Program]:
    token_file = place / "token"
    token_file.write_text(f"{bao.token}\n")
    program = Program(
        place,
        models=built_models,
        key_service="vault_transit",
        vault_url=bao.url,
        vault_token_file=token_file,
        vault_key_prefix=f"serving-{secrets.token_hex(8)}",
    )
    async with ending(program):
        await program.start()
        yield program


async def test_the_whole_way_with_keys_elsewhere(program: Program, bao: Bao) -> None:
    async with signed_up(program, "Asha") as asha:
        document = await asha.ready("Kept under keys that are not here.")
        path = f"/v1/documents/{document['id']}/content"
        assert (await asha.http.get(path)).text == "Kept under keys that are not here."
        status, said, _ = await command(
            "keys", "rotate", "--root", directory=program.data_dir, **program.settings
        )
        assert status == 0, said
        assert "version 2 is active" in said
        assert (await asha.http.get(path)).text == "Kept under keys that are not here."
        erased = await asha.http.delete(f"/v1/documents/{document['id']}")
        assert erased.status_code == 200
    assert not (program.data_dir / "keyring.json").exists()
    assert bao.token not in program.said


async def test_without_its_key_service_it_discloses_nothing_and_recovers_by_itself(
    program: Program, bao: Bao
) -> None:
    async with signed_up(program, "Asha") as asha:
        document = await asha.ready("Readable with a key alone.")
        path = f"/v1/documents/{document['id']}/content"
        async with unreachable(bao):
            answer = await asha.http.get(path)
            assert answer.status_code == 503
            assert "Readable" not in answer.text
            assert (await asha.http.get("/health/ready")).status_code == 503
        assert (await asha.http.get(path)).text == "Readable with a key alone."


@asynccontextmanager
async def unreachable(bao: Bao) -> AsyncIterator[None]:
    """The engine answers, and has no keys: its mount is another one meanwhile."""
    token = {"X-Vault-Token": bao.token}
    async with httpx2.AsyncClient(headers=token, trust_env=False) as engine:
        moved = {"from": "transit", "to": "elsewhere"}
        assert (await engine.post(f"{bao.url}/v1/sys/remount", json=moved)).is_success
        try:
            yield
        finally:
            back = {"from": "elsewhere", "to": "transit"}
            assert (await engine.post(f"{bao.url}/v1/sys/remount", json=back)).is_success


async def test_a_key_service_that_fails_at_unwrap_is_told_as_the_outcome_of_the_release(
    program: Program, bao: Bao
) -> None:
    async with signed_up(program, "Asha") as asha:
        things = await things_of(asha)
        for way in ("content", "record", "search page"):  # chats do not even begin without keys
            ask, well, action = WAYS[way]
            assert await ask(asha, things) == well, way
            async with unreachable(bao):
                assert await ask(asha, things) != well, way
            thing = things.record if way == "record" else things.document
            *_, released, failed = await accesses_of(asha, thing)
            assert (released["action"], released["outcome"]) == (action, "released"), way
            assert (failed["action"], failed["outcome"]) == (action, "failed"), way
            assert failed["failure"]["reason"] == "keys_unavailable", way


async def test_an_unknown_key_service_is_refused_with_those_there_are(place: Path) -> None:
    status, said, _ = await command("serve", directory=place, data_dir=place, key_service="hsm")
    assert status == 1
    assert "'hsm' is not a key service. There are: keyring, vault_transit." in said
