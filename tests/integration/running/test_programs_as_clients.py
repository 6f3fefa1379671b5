"""A program with an identity of its own, as administrators and those who share with it see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from tests.integration.running.people import (
    PURPOSE,
    Json,
    Person,
    json_of,
    problem_of,
    signed_in,
    signed_up,
)
from tests.integration.running.program import Program, command

ENDS = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
CLIENTS = "/v1/service-clients"


@pytest.fixture(scope="module")
async def admin(running: Program) -> AsyncIterator[httpx2.AsyncClient]:
    async with signed_up(running, "Ada") as ada:
        said = await command(
            "role",
            "set",
            ada.email,
            "admin",
            directory=running.data_dir,
            database_url=running.database_url,
        )
        assert said[0] == 0, said
        tokens = await signed_in(ada.http, ada.email)
        ada.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        yield ada.http


async def made(admin: httpx2.AsyncClient, name: str = "Nightly import") -> Json:
    answer = await admin.post(CLIENTS, json={"name": name, "expires_at": ENDS})
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{CLIENTS}/{json_of(answer)['id']}"
    assert answer.headers["cache-control"] == "no-store"
    return json_of(answer)


@asynccontextmanager
async def signed_in_as(running: Program, client: Json) -> AsyncIterator[httpx2.AsyncClient]:
    async with running.client() as http:
        http.headers["Authorization"] = f"Bearer {await token(http, client)}"
        yield http


async def token(http: httpx2.AsyncClient, client: Json) -> str:
    answer = await http.post(
        "/v1/oauth/token",
        data={"grant_type": "client_credentials"},
        auth=(client["id"], client["client_secret"]),
    )
    assert answer.status_code == 200, answer.text
    return str(json_of(answer)["access_token"])


async def test_a_client_reads_what_was_shared_with_it_until_it_is_revoked(
    running: Program, admin: httpx2.AsyncClient, asha: Person
) -> None:
    client = await made(admin, name="Harvest of leases")
    document = await asha.ready("A heron of the lease.")
    path = f"/v1/documents/{document['id']}/text"
    async with signed_in_as(running, client) as http:
        purpose = {"purpose": PURPOSE}
        problem_of(await http.get(path, params=purpose), [404])
        problem_of(await http.get(CLIENTS), [403])
        grantee = Person(http=http, id=client["id"], email=client["id"], tokens={})
        await asha.grant(document["id"], grantee)
        assert (await http.get(path, params=purpose)).text == "A heron of the lease."
        accesses = await asha.http.get(f"/v1/documents/{document['id']}/accesses")
        read = [each for each in json_of(accesses)["items"] if each["action"] == "read"]
        assert [(each["person_id"], each["display_name"]) for each in read] == [
            (client["id"], "Harvest of leases")
        ]
        revoked = json_of(await admin.post(f"{CLIENTS}/{client['id']}/revoke"))
        assert revoked["revoked_at"] is not None
        assert revoked["last_used_at"] is not None
        problem_of(await http.get(path, params=purpose), [401])
    terms = {"grantee": client["id"], "resource": {"kind": "document", "id": document["id"]}}
    given = {**terms, "actions": ["read"], "purpose": PURPOSE, "expires_at": ENDS}
    refused = problem_of(await asha.http.post("/v1/grants", json=given), [400])
    assert refused["errors"][0]["pointer"] == "/grantee"


async def test_an_erased_client_takes_along_what_it_stored_and_what_it_shared(
    running: Program, admin: httpx2.AsyncClient, asha: Person
) -> None:
    client = await made(admin, name="Harvest of herons")
    path = f"{CLIENTS}/{client['id']}"
    async with signed_in_as(running, client) as http:
        program = Person(http=http, id=client["id"], email=client["id"], tokens={})
        document = await program.ready("A heron of the harvest.")
        await program.grant(document["id"], asha)
        read = {"params": {"purpose": PURPOSE}}
        shared = f"/v1/documents/{document['id']}/text"
        assert (await asha.http.get(shared, **read)).text == "A heron of the harvest."
        problem_of(await asha.http.delete(path), [403])
        problem_of(await admin.get(shared, **read), [404])
        erased = json_of(await admin.delete(path))
        assert erased["destroyed"]["documents"] == 1
        assert erased["destroyed"]["grants_closed"] == 1
        assert set(erased["residue"].values()) == {0}
        problem_of(await asha.http.get(shared, **read), [404])
        problem_of(await http.get("/v1/me"), [401])
        again = await http.post(
            "/v1/oauth/token",
            data={"grant_type": "client_credentials"},
            auth=(client["id"], client["client_secret"]),
        )
        assert again.status_code == 401
    for answer in (await admin.get(path), await admin.delete(path)):
        problem_of(answer, [404])
    said = [
        each["type"] for each in json_of(await admin.get("/v1/audit/events?limit=200"))["items"]
    ]
    assert said[-2:] == ["service_client_revoked", "service_client_erased"]


async def test_what_makes_no_sense_is_refused_with_the_field(admin: httpx2.AsyncClient) -> None:
    good = {"name": "Nightly import", "expires_at": ENDS}
    before = json_of(await admin.get(CLIENTS, params={"limit": 200}))
    for pointer, wrong in (
        ("/name", {"name": ""}),
        ("/name", {"name": "   "}),
        ("/name", {"name": "x" * 101}),
        ("/name", {"name": "Nightly\u202etropmi"}),
        ("/name", {"name": ["Nightly"]}),
        ("/expires_at", {"expires_at": "2001-01-01T00:00:00Z"}),
        ("/expires_at", {"expires_at": "0001-01-01T00:00:00+14:00"}),
        ("/expires_at", {"expires_at": "9999-12-31T23:59:59-14:00"}),
        ("/expires_at", {"expires_at": "2026-11-30T00:00:00"}),
        ("/role", {"role": "owner"}),
        ("/client_secret", {"client_secret": "of my own choice"}),
    ):
        problem = problem_of(await admin.post(CLIENTS, json=good | wrong), [400])
        assert [each["pointer"] for each in problem["errors"]] == [pointer], wrong
    client = await made(admin)
    for overlap in (-1, 604_801, 1.5, "1", None):
        answer = await admin.post(
            f"{CLIENTS}/{client['id']}/secret", json={"overlap_seconds": overlap}
        )
        problem = problem_of(answer, [400])
        assert [each["pointer"] for each in problem["errors"]] == ["/overlap_seconds"]
    async with httpx2.AsyncClient(base_url=admin.base_url) as http:
        assert await token(http, client)
    after = json_of(await admin.get(CLIENTS, params={"limit": 200}))
    assert len(after["items"]) == len(before["items"]) + 1


async def test_clients_are_listed_in_pages_and_tell_no_secret(admin: httpx2.AsyncClient) -> None:
    ids = [(await made(admin))["id"] for _ in range(3)]
    listed: list[Json] = []
    cursor: Json = {}
    while True:
        page = json_of(await admin.get(CLIENTS, params={"limit": 2, **cursor}))
        listed += page["items"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert [each["id"] for each in listed][-3:] == ids
    assert all("client_secret" not in each for each in listed)
