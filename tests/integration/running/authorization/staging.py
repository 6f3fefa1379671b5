"""The cast, signed up, with what they have, and with what Asha shared or shared no longer."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg

from tests.integration.running.authorization.asking import CLIENT, MODEL, WORD
from tests.integration.running.authorization.cast import NAMES, PRIVATE, SHARED, Cast
from tests.integration.running.authorization.making import asked, conversation, record
from tests.integration.running.authorization.matrix import WITHOUT_ACCOUNT
from tests.integration.running.people import PURPOSE, Json, Person, json_of, signed_in, signed_up
from tests.integration.running.program import Program, command
from tests.integration.running.test_collections import collection, put
from tests.integration.running.test_links import link, redeem

LASTS = timedelta(seconds=5)
"""How long the grants of `expired` hold: long enough to read under each of them once."""


@asynccontextmanager
async def cast_of(program: Program) -> AsyncIterator[Cast]:
    tenant, closed = (f"{name}-{uuid4().hex[:8]}" for name in ("elsewhere", "closed"))
    await asyncio.gather(
        _run(program, "tenant", "create", tenant, "--open"),
        _run(program, "tenant", "create", closed),
    )
    async with AsyncExitStack() as stack:

        async def join(name: str) -> Person:
            where = tenant if name in ("Dev", "Fay") else "default"
            return await stack.enter_async_context(signed_up(program, name, tenant=where))

        *everyone, eve, fay = await asyncio.gather(*map(join, (*NAMES.values(), "Eve", "Fay")))
        people = dict(zip(NAMES, everyone, strict=True))
        cast = Cast(program, people, {role: person.http for role, person in people.items()})
        await asyncio.gather(*(_promote(cast, role) for role in ("auditor", "admin")))
        await asyncio.gather(*(_furnish(cast, role) for role in people))
        for role, own in cast.own.items():
            someone = fay if role == "elsewhere" else eve
            own |= {"person_id": someone.id, "email": someone.email}
        await _share(cast, closed)
        for role in WITHOUT_ACCOUNT:
            cast.clients[role] = await stack.enter_async_context(program.client())
        await _hand_out_tokens(cast)
        yield cast


async def _run(program: Program, *arguments: str) -> None:
    exit_status, said, _ = await command(
        *arguments, directory=program.data_dir, database_url=program.database_url
    )
    assert exit_status == 0, said


async def _promote(cast: Cast, role: str) -> None:
    person = cast.people[role]
    await _run(cast.program, "role", "set", person.email, role)
    async with cast.program.client() as http:  # tokens tell the role of when they were issued
        person.tokens = await signed_in(http, person.email)
    person.http.headers["Authorization"] = f"Bearer {person.tokens['access_token']}"


async def _furnish(cast: Cast, role: str) -> None:
    """One of each kind that a request may have to name beside what it is about."""
    person, is_asha = cast.people[role], role == "owner"
    words, title = (SHARED, PRIVATE) if is_asha else ("Birds", "Birds")
    name = f"s{uuid4().hex}"
    declared = await person.http.put(f"/v1/schemas/{name}", json={"type": "object"})
    assert declared.status_code == 201, declared.text
    document = await person.upload(
        f"A {WORD} of {words} stood in the reeds.",
        filename=f"{words}.txt",
        title=words,
        index_mode="clear" if is_asha else "none",
    )
    cast.own[role] = {
        "document_id": document["id"],
        "collection_id": await collection(person, title),
        "conversation_id": await conversation(person, title),
        "schema_name": name,
    }


async def _share(cast: Cast, closed_tenant: str) -> None:
    """The document by itself, and in a collection together with the record; both with each."""
    asha, hers = cast.asha, cast.own["owner"]
    hers["record_id"] = await record(asha, hers["schema_name"])
    for each in (hers["record_id"], hers["document_id"]):
        await put(asha, hers["collection_id"], each)
    private = await asha.ready(f"A {WORD} of {PRIVATE} alone.", title=PRIVATE)
    await asha.until_ended(hers["document_id"])
    hers |= {
        "private_id": private["id"],
        "shared_id": hers["document_id"],
        "link_id": (await link(asha, private["id"]))["id"],
        "event_id": await _event_in_the_log(asha),
        **await asked(asha, hers["conversation_id"], f"the {WORD} of {PRIVATE}"),
        "chat_id": await _chat_of(asha),
        "model": MODEL,
        "task": "answer",
        "code": f"claims_{uuid4().hex}",
        "tenant": closed_tenant,
        "job_id": await _dead_job(cast),
        "client_id": (await _client(cast))["id"],
        "secretive_id": (secretive := await _client(cast))["id"],
        "client_secret": secretive["client_secret"],
    }
    for _ in range(2):  # so that there are two pages of denials
        path = f"/v1/documents/{hers['document_id']}"
        assert (await cast.people["stranger"].http.get(path)).status_code == 404
    ends = datetime.now(UTC) + LASTS
    given = {
        "grantee": await _give(cast, "grantee", actions=["read", "search", "quote", "share"]),
        "expired": await _give(cast, "expired", expires_at=ends.isoformat()),
        "revoked": await _give(cast, "revoked"),
    }
    for grant in given["revoked"]:
        assert (await asha.http.post(f"/v1/grants/{grant['id']}/revoke")).status_code == 200
    for role in (*cast.people, *WITHOUT_ACCOUNT):
        grant = given.get(role, given["grantee"])[0]
        of_grant = {"grant_id": grant["id"], "consent_id": grant["consent_id"]}
        cast.things[role] = {**hers, **of_grant}
        cast.own.setdefault(role, dict(hers))["shared_id"] = hers["document_id"]
    await asyncio.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()) + 0.05)


async def _give(cast: Cast, role: str, **terms: object) -> list[Json]:
    """Two grants, under which everything can be read."""
    person, hers = cast.people[role], cast.own["owner"]
    resources = {"document": hers["document_id"], "collection": hers["collection_id"]}
    given = [
        await cast.asha.grant(each, person, resource={"kind": kind, "id": each}, **terms)
        for kind, each in resources.items()
    ]
    for path in (f"/v1/documents/{hers['document_id']}", f"/v1/records/{hers['record_id']}"):
        read = await person.http.get(path, params={"purpose": PURPOSE})
        assert read.status_code == 200, f"{role}: {read.text}"
    return given


async def _client(cast: Cast) -> Json:
    made = await cast.people["admin"].http.post("/v1/service-clients", json=CLIENT)
    assert made.status_code == 201, made.text
    return json_of(made)


async def _dead_job(cast: Cast) -> str:
    """One that no worker knows, so that it stays where it is put. An administrator is told the id
    of the document that a job is about: this one is about none, so that a list of jobs tells no id
    of Asha's."""
    about = {"document_id": f"{uuid4()}", "version": 1}
    headers = {"tenant_id": _tenant_of(cast.asha), "job_id": f"{uuid4()}"}
    connection = await asyncpg.connect(cast.program.database_url)
    try:
        await connection.execute(
            "INSERT INTO pgqueuer (priority, status, entrypoint, payload, headers)"
            " VALUES (0, 'failed', 'nobodys', convert_to($1, 'UTF8'), $2)",
            json.dumps(about),
            json.dumps(headers),
        )
    finally:
        await connection.close()
    return headers["job_id"]


def _tenant_of(person: Person) -> str:
    claims = person.tokens["access_token"].split(".")[1]
    return str(json.loads(urlsafe_b64decode(claims + "=="))["tenant"])


async def _event_in_the_log(person: Person) -> str:
    """Something that the person did, once it can be proven."""
    event_id = str(json_of(await person.http.get("/v1/audit/events"))["items"][0]["id"])
    async with asyncio.timeout(10):
        while True:
            proof = await person.http.get(f"/v1/audit/events/{event_id}/proof")
            if proof.status_code == 200:
                return event_id
            await asyncio.sleep(0.05)


async def _chat_of(person: Person) -> str:
    """A chat by a name of its owner's choice, with one answer in it."""
    name = f"{uuid4()}"
    parts = [{"type": "text", "text": f"Where did the {WORD} of {PRIVATE} stand?"}]
    asked = await person.http.post(
        "/api/chat", json={"id": name, "message": {"role": "user", "parts": parts}}
    )
    assert asked.status_code == 200, asked.text
    return name


async def _hand_out_tokens(cast: Cast) -> None:
    """Tokens that act under one grant, and the other tokens that a request can name."""
    program, asha, hers = cast.program, cast.asha, cast.own["owner"]
    other = await asha.ready(f"A {WORD} for somebody else.")
    terms: Mapping[str, object] = {
        "resource": {"kind": "collection", "id": hers["collection_id"]},
        "actions": ["read", "search"],
    }
    links = {
        "bearer": await link(asha, hers["document_id"], **terms),
        "stray": await link(asha, other["id"], actions=["read", "search"]),
        "ended": await link(asha, hers["document_id"], **terms),
    }
    key = uuid4().hex
    for role, made in links.items():
        redeemed = await redeem(program, made["token"], key=key)
        assert redeemed.status_code == 200, redeemed.text
        token = json_of(redeemed)["access_token"]
        cast.clients[role].headers["Authorization"] = f"Bearer {token}"
    await asha.http.post(f"/v1/links/{links['ended']['id']}/revoke")
    async with program.client() as http:
        spare = await signed_in(http, asha.email)
        form = {"grant_type": "refresh_token", "refresh_token": spare["refresh_token"]}
        assert (await http.post("/v1/oauth/token", data=form)).status_code == 200
    for things in cast.things.values():
        things |= {
            "refresh_token": spare["refresh_token"],
            "access_token": asha.tokens["access_token"],
            "link_token": links["ended"]["token"],
            "Idempotency-Key": key,
        }
