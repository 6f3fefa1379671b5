"""A backup brings nothing back that was erased, withdrawn or revoked after it was made."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import pytest

from tests.integration.running.people import (
    PASSWORD,
    PURPOSE,
    Person,
    json_of,
    problem_of,
    signed_in,
    signed_up,
)
from tests.integration.running.program import Program, command
from tests.integration.running.test_links import link, redeem

ENDINGS = ("collection", "collection_item", "consent", "conversation", "document", "link")


@pytest.fixture
async def people(own: Program) -> AsyncIterator[list[Person]]:
    await own.running()
    async with AsyncExitStack() as all_:
        yield [await all_.enter_async_context(signed_up(own, n)) for n in ("Asha", "Ben", "Cara")]


async def _restored(program: Program, backup: Path) -> None:
    """The machine goes down and its database is lost; a backup takes its place."""
    database, server = program.postgres_pid, program.data_dir / "postgres"
    await program.kill()
    os.kill(database, signal.SIGKILL)
    shutil.rmtree(server)
    shutil.copytree(backup, server, symlinks=True)
    _owned_alike(backup, server)


def _owned_alike(source: Path, copy: Path) -> None:
    for found in (source, *source.rglob("*")):
        status = found.lstat()
        os.chown(
            copy / found.relative_to(source), status.st_uid, status.st_gid, follow_symlinks=False
        )


async def _read(person: Person, document_id: str) -> httpx2.Response:
    return await person.http.get(
        f"/v1/documents/{document_id}/content", params={"purpose": PURPOSE}
    )


async def _shared_collection(asha: Person, ben: Person, document_id: str) -> str:
    made = await asha.http.post("/v1/collections", json={"title": "Tides"})
    assert made.status_code == 201, made.text
    collection = str(json_of(made)["id"])
    put = await asha.http.put(f"/v1/collections/{collection}/items/{document_id}")
    assert put.is_success, put.text
    await asha.grant(document_id, ben, resource={"kind": "collection", "id": collection})
    return collection


@pytest.mark.slow
async def test_a_restored_backup_stays_sealed_until_what_ended_has_ended_again(
    own: Program, people: list[Person], tmp_path: Path
) -> None:
    asha, ben, cara = people
    kept, erased, withdrawn, in_one, in_other, linked = [
        (await asha.upload(f"A heron stood in the reeds, {n} times."))["id"] for n in range(6)
    ]
    theirs = (await cara.upload("Caught in the tide."))["id"]
    await asha.grant(kept, ben)
    await asha.grant(erased, ben)
    grant = await asha.grant(withdrawn, ben)
    await cara.grant(theirs, ben)
    taken_from = await _shared_collection(asha, ben, in_one)
    deleted = await _shared_collection(asha, ben, in_other)
    one_time, revoked_later = await link(asha, linked), await link(asha, linked)
    for_two = await link(asha, linked, redemptions_max=2)
    token = json_of(await redeem(own, revoked_later["token"]))["access_token"]
    made = await ben.http.post("/v1/conversations", json={})
    conversation = json_of(made)["id"]
    for document in (kept, erased, withdrawn, in_one, in_other, theirs):
        assert (await _read(ben, document)).status_code == 200

    await own.stop()
    backup = tmp_path / "backup"
    shutil.copytree(own.data_dir / "postgres", backup, symlinks=True)
    _owned_alike(own.data_dir / "postgres", backup)
    await own.start()
    for person in people:
        person.http.base_url = httpx2.URL(own.url)

    # Each of these was acknowledged, the last one just before the machine went down.
    for ended in (
        await asha.http.post(f"/v1/grants/{grant['id']}/revoke"),
        await asha.http.delete(f"/v1/collections/{taken_from}/items/{in_one}"),
        await asha.http.delete(f"/v1/collections/{deleted}"),
        await redeem(own, one_time["token"]),
        await redeem(own, for_two["token"]),
        await asha.http.post("/v1/oauth/revoke", data={"token": token}),
        await ben.http.delete(f"/v1/conversations/{conversation}"),
        await cara.http.request("DELETE", "/v1/me", json={"password": PASSWORD}),
        await asha.http.delete(f"/v1/documents/{erased}"),
    ):
        assert ended.is_success, ended.text
    await _restored(own, backup)

    own.spawn()
    await own.until_sealed()
    async with own.client() as http:
        for path in (f"/v1/documents/{erased}", "/v1/me", "/docs", "/metrics", "/nowhere"):
            refused = problem_of(await http.get(path), [503])
            assert refused["code"] == "sealed_after_restore"
        assert (await http.get("/health/live")).status_code == 200
        ready = await http.get("/health/ready")
        assert ready.status_code == 503
        assert "endings are missing" in json_of(ready)["parts"]["fence"]["reason"]

    where = {"directory": tmp_path, "data_dir": own.data_dir}
    status, said, _ = await command("restore", "status", **where)  # type: ignore[arg-type]
    assert (status, "the fence is closed" in said) == (1, True), said
    assert all(f"{kind} " in said for kind in (*ENDINGS, "person", "token")), said
    status, said, _ = await command("restore", "replay", **where)  # type: ignore[arg-type]
    if "--accept-lost-entries" in said:
        status, said, _ = await command(  # type: ignore[arg-type]
            "restore", "replay", "--accept-lost-entries", **where
        )
    assert (status, "the fence is open" in said) == (0, True), said

    await own.until_ready()  # by itself: the same process serves now
    for person in people:
        person.http.base_url = httpx2.URL(own.url)
    assert (await _read(ben, kept)).text == "A heron stood in the reeds, 0 times."
    for document in (erased, withdrawn, in_one, in_other, theirs):
        assert (await _read(ben, document)).status_code == 404
    assert (await asha.http.get(f"/v1/documents/{erased}")).status_code == 404
    assert (await asha.http.get(f"/v1/collections/{deleted}")).status_code == 404
    assert (await ben.http.get(f"/v1/conversations/{conversation}")).status_code == 404
    assert (await redeem(own, one_time["token"])).status_code == 404
    again = [(await redeem(own, for_two["token"])).status_code for _ in range(2)]
    assert again == [200, 404], "two in all: one before, one after"
    async with own.client(headers={"Authorization": f"Bearer {token}"}) as http:
        assert (await http.get(f"/v1/documents/{linked}/content")).status_code == 401
        sign_in = {"email": cara.email, "password": PASSWORD}
        assert (await http.post("/v1/sessions", json=sign_in)).status_code == 401
    async with own.client() as http:
        refresh = {"grant_type": "refresh_token", "refresh_token": ben.tokens["refresh_token"]}
        assert (await http.post("/v1/oauth/token", data=refresh)).is_client_error
        assert await signed_in(http, ben.email)
    status, said, _ = await command("restore", "status", **where)  # type: ignore[arg-type]
    assert (status, "open" in said) == (0, True), said
    await own.stop()
    assert await own.start() < 60, "and stays open"


async def test_an_altered_journal_is_not_believed(own: Program, people: list[Person]) -> None:
    document = (await people[0].upload("To be erased."))["id"]
    assert (await people[0].http.delete(f"/v1/documents/{document}")).is_success
    await own.stop()
    journal = own.data_dir / "fence" / "endings.journal"
    before = journal.read_bytes()
    assert document.encode() in before
    try:
        journal.write_bytes(before.replace(document.encode(), people[0].id.encode()))
        own.spawn()
        assert await own.ended(within_seconds=60) == 1
        assert "journal of endings was altered" in own.said
    finally:
        journal.write_bytes(before[:-7])  # the machine stopped while this line was written
    await own.start()
    assert journal.read_bytes().startswith(before[:-7])
    assert document.encode() in journal.read_bytes()
