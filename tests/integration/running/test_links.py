"""Share links: redeemed as often as they may be, whoever races, and never by being opened."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import asyncpg
import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain.consent.link import PASS_CODE_ATTEMPTS
from tests.integration.running.people import (
    PURPOSE,
    Json,
    Person,
    grant_body,
    json_of,
    problem_of,
    signed_in,
    signed_up,
)
from tests.integration.running.program import Program, ending
from tests.integration.running.test_records import record

REDEEMERS = int(os.environ.get("STRONGROOM_REDEEMERS", "50"))
ROUNDS = int(os.environ.get("STRONGROOM_REDEEM_ROUNDS", "2"))


async def link(person: Person, document_id: str, **terms: object) -> Json:
    body = grant_body(document_id, "") | {"actions": ["read"]} | terms
    del body["grantee"]
    made = await person.http.post("/v1/links", json=body)
    assert made.status_code == 201, made.text
    return json_of(made)


async def redeem(
    program: Program, token: str, *, passcode: str | None = None, key: str | None = None
) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    body = {"token": token} | ({"passcode": passcode} if passcode else {})
    async with program.client() as http:
        return await http.post("/v1/links/redeem", json=body, headers=headers)


@asynccontextmanager
async def holder(program: Program, redeemed: httpx2.Response) -> AsyncIterator[httpx2.AsyncClient]:
    assert redeemed.status_code == 200, redeemed.text
    async with program.client() as http:
        http.headers["Authorization"] = f"Bearer {json_of(redeemed)['access_token']}"
        yield http


def signed_claims(receipt: str, keys: list[Json]) -> Json:
    """Of a JWS in compact form, which one of these keys must have signed (RFC 8037)."""
    head, body, signature = (base64.urlsafe_b64decode(f"{each}==") for each in receipt.split("."))
    [key] = [each for each in keys if each["kid"] == json.loads(head)["kid"]]
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(f"{key['x']}=="))
    public.verify(signature, receipt.rpartition(".")[0].encode())
    claims: Json = json.loads(body)
    return claims


async def test_a_link_from_its_making_to_its_end(running: Program) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        document, other = await asha.ready("A heron by link."), await asha.ready("Not shared.")
        made = await link(asha, document["id"])
        assert made["url"].endswith(f"#{made['token']}")
        path = f"/v1/links/{made['id']}"
        async with running.client() as http:
            for _ in range(5):  # mail scanners
                page = await http.get("/v1/links/open")
                assert page.headers["content-type"].startswith("text/html")
        assert json_of(await asha.http.get(path))["redemptions_left"] == 1

        first = await redeem(running, made["token"])
        assert first.headers["cache-control"] == "no-store"
        async with holder(running, first) as http:
            content = f"/v1/documents/{document['id']}/content"
            read = await http.get(content, params={"purpose": PURPOSE})
            assert read.text == "A heron by link."
            problem_of(await http.get(content), [404])
            hidden = f"/v1/documents/{other['id']}/content"
            problem_of(await http.get(hidden, params={"purpose": PURPOSE}), [404])
            for method, elsewhere in (
                ("GET", "/v1/documents"),
                ("GET", "/v1/me"),
                ("POST", "/v1/grants"),
                ("GET", "/v1/audit/events"),
                ("DELETE", f"/v1/documents/{document['id']}"),
            ):
                refused = await http.request(method, elsewhere)
                assert problem_of(refused, [403])["code"] == "insufficient_scope"
            token = json_of(first)["access_token"]
            described = await asha.http.post("/v1/oauth/introspect", data={"token": token})
            said = json_of(described)
            assert (said["token_type"], said["sub"]) == ("Bearer", made["id"])
            assert (said["scope"], said["purpose"]) == ("read", PURPOSE)
            assert said["resource"] == {"kind": "document", "id": document["id"]}
            assert said["grant_id"] == made["grant"]["id"]
            begins = datetime.fromisoformat(made["grant"]["not_before"])
            assert said["nbf"] == int(begins.timestamp()) <= said["iat"] < said["exp"]

            again = await redeem(running, made["token"])
            assert problem_of(again, [404])["code"] == "not_found"
            told = json_of(await asha.http.get(path))
            assert (told["redemptions_left"], told["refused_count"]) == (0, 1)
            problem_of(await ben.http.get(path), [404])
            assert json_of(await ben.http.get("/v1/links"))["items"] == []

            accesses = await asha.http.get(f"/v1/documents/{document['id']}/accesses")
            people = {each["person_id"]: each for each in json_of(accesses)["items"]}
            assert people[made["id"]]["display_name"] == "Whoever has the link"

            ended = await asha.http.post(f"{path}/revoke")
            assert [each["id"] for each in json_of(ended)["grants"]] == [made["grant"]["id"]]
            assert (await http.get(content, params={"purpose": PURPOSE})).status_code == 401
            described = await asha.http.post("/v1/oauth/introspect", data={"token": token})
            assert json_of(described) == {"active": False}
        consent = f"/v1/consents/{made['grant']['consent_id']}"
        assert (await asha.http.get(f"{consent}/receipt")).is_success


async def test_whoever_redeems_a_link_learns_what_they_agreed_to(running: Program) -> None:
    terms = {
        "fields": ["/name", "/weight"],
        "versions": [1],
        "actions": ["export", "read"],
        "purpose": PURPOSE,
        "not_before": "2026-01-01T00:00:00Z",
        "max_uses": 3,
        "uses_per_interval": {"uses": 2, "seconds": 3600},
        "retention_seconds": 86_400,
    }
    async with signed_up(running, "Asha") as asha:
        made = await record(asha, index_mode="none")
        resource = {"kind": "record", "id": made["id"]}
        shared = await link(asha, made["id"], resource=resource, **terms)
        consent_id = shared["grant"]["consent_id"]
        consent = json_of(await asha.http.get(f"/v1/consents/{consent_id}"))
        redeemed = await redeem(running, shared["token"], key="mine")
        told = json_of(redeemed)
        grant = told["grant"]
        assert grant == shared["grant"]
        assert grant["uses_per_interval"].pop("left") in (None, 2)
        assert grant["uses_per_interval"].pop("ends_at") is None
        assert {name: grant[name] for name in terms} == terms
        assert (grant["resource"], grant["required_acr"]) == (resource, None)
        assert told["notice"] == consent["notice"]
        shown = f"{told['notice']['language']}\n{told['notice']['text']}"
        assert told["notice"]["sha256"] == hashlib.sha256(shown.encode()).hexdigest()
        async with running.client() as http:
            keys = json_of(await http.get("/.well-known/jwks.json"))["keys"]
        claims = signed_claims(told["receipt"], keys)
        assert (claims["issued_to"], claims["record_id"]) == (shared["id"], consent_id)
        assert claims["notice"] == told["notice"]
        again = await redeem(running, shared["token"], key="mine")
        assert json_of(again)["receipt"] == told["receipt"]


async def test_a_link_that_nobody_could_use_is_refused(running: Program) -> None:
    async with signed_up(running, "Asha") as asha:
        document = await asha.upload("For nobody.", index_mode="none")
        body = grant_body(document["id"], "") | {"actions": ["read"], "required_acr": "mfa"}
        del body["grantee"]
        problem = problem_of(await asha.http.post("/v1/links", json=body), [400])
        assert problem["code"] == "link_cannot_step_up"
        assert [each["pointer"] for each in problem["errors"]] == ["/required_acr"]
        assert json_of(await asha.http.get("/v1/links"))["items"] == []
        assert json_of(await asha.http.get("/v1/consents"))["items"] == []


async def test_whatever_is_wrong_with_a_link_the_answer_is_the_same(running: Program) -> None:
    async with signed_up(running, "Asha") as asha:
        document = await asha.upload("Behind a pass-code.")
        coded = await link(asha, document["id"], passcode="seven hills")
        used, revoked = await link(asha, document["id"]), await link(asha, document["id"])
        await redeem(running, used["token"])
        await asha.http.post(f"/v1/links/{revoked['id']}/revoke")
        unknown = used["token"][:-9] + "AAAAAAAAA"
        told = []
        for token, code in (
            (coded["token"], None),
            (coded["token"], "eight hills"),
            (used["token"], None),
            (revoked["token"], None),
            (unknown, None),
            ("nothing", "seven hills"),
        ):
            problem = problem_of(await redeem(running, token, passcode=code), [404])
            del problem["request_id"]
            told.append(problem)
        assert all(each == told[0] for each in told)
        assert (await redeem(running, coded["token"], passcode="seven hills")).is_success


async def test_wrong_passcodes_lock_a_link(running: Program) -> None:
    async with signed_up(running, "Asha") as asha:
        document = await asha.upload("Behind a pass-code.")
        made = await link(asha, document["id"], passcode="seven hills", redemptions_max=5)
        for _ in range(10):
            problem_of(await redeem(running, made["token"], passcode="wrong"), [404])
        problem_of(await redeem(running, made["token"], passcode="seven hills"), [404])
        told = json_of(await asha.http.get(f"/v1/links/{made['id']}"))
        assert (told["is_locked"], told["refused_count"]) == (True, 10)


async def test_a_redemption_whose_answer_was_lost_is_repeated_with_its_key(
    running: Program,
) -> None:
    async with signed_up(running, "Asha") as asha:
        document = await asha.upload("Once.")
        made = await link(asha, document["id"])
        answers = await asyncio.gather(
            *(redeem(running, made["token"], key="mine") for _ in range(8))
        )
        assert {answer.status_code for answer in answers} == {200}
        assert len({json_of(answer)["access_token"] for answer in answers}) == 1
        problem_of(await redeem(running, made["token"], key="another"), [404])
        token = json_of(answers[0])["access_token"]
        async with running.client() as http:
            await http.post("/v1/oauth/revoke", data={"token": token})
            http.headers["Authorization"] = f"Bearer {token}"
            problem_of(await http.get(f"/v1/documents/{document['id']}"), [401])


async def test_whoever_knows_the_passcode_does_not_lock_the_link_by_repeating(
    running: Program,
) -> None:
    async with signed_up(running, "Asha") as asha:
        document = await asha.upload("Behind a pass-code, often asked for.")
        made = await link(asha, document["id"], passcode="seven hills")
        for _ in range(2 * PASS_CODE_ATTEMPTS):
            again = await redeem(running, made["token"], passcode="seven hills", key="mine")
            assert again.status_code == 200, again.text


async def test_the_owner_is_told_of_each_who_came_in_vain(running: Program) -> None:
    """Also where it was shared onward, or by a collection: the link is somebody else's then."""
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        document = await asha.upload("Watched.", index_mode="none")
        made = json_of(await asha.http.post("/v1/collections", json={"title": "Watched"}))
        await asha.http.put(f"/v1/collections/{made['id']}/items/{document['id']}")
        given = await asha.grant(document["id"], ben, actions=["read", "share"])
        coded = await link(asha, document["id"], passcode="seven hills")
        within = {"parent_id": given["id"], "expires_at": given["expires_at"]}
        passed_on = await link(ben, document["id"], **within)
        whole = {"kind": "collection", "id": made["id"]}
        of_all = await link(asha, document["id"], resource=whole)
        ended = await link(asha, document["id"])
        await redeem(running, coded["token"], passcode="eight hills")
        for each in (passed_on, of_all):
            await redeem(running, each["token"])
            await redeem(running, each["token"])
        await asha.http.post(f"/v1/links/{ended['id']}/revoke")
        await redeem(running, ended["token"])

        path = f"/v1/documents/{document['id']}/denials"
        told = json_of(await asha.http.get(path))["items"]
        assert [(each["person_id"], each["reason"]) for each in told] == [
            (coded["id"], "link_passcode_wrong"),
            (passed_on["id"], "link_redeemed_before"),
            (of_all["id"], "link_redeemed_before"),
            (ended["id"], "link_not_in_force"),
        ]
        for each in told:
            assert (each["action"], each["version"]) == (None, 0)
            assert (each["purpose"], each["display_name"]) == (PURPOSE, "Whoever has the link")
        only = {"grant_id": passed_on["grant"]["id"]}
        assert json_of(await asha.http.get(path, params=only))["items"] == [told[1]]
        assert json_of(await asha.http.get(path, params={"action": "read"}))["items"] == []
        problem_of(await ben.http.get(path), [404])
        proven = await asha.http.get(f"/v1/audit/events/{told[0]['event_id']}/proof")
        assert proven.status_code in (200, 409), proven.text


async def test_what_was_erased_is_named_in_no_entry_about_its_links(running: Program) -> None:
    openings = "SELECT count(*) FROM audit_openings WHERE document_id = $1"
    connection = await asyncpg.connect(running.database_url)
    try:
        async with signed_up(running, "Asha") as asha:
            document = await asha.upload("Gone soon.", index_mode="none")
            made = await link(asha, document["id"])
            assert (await asha.http.delete(f"/v1/documents/{document['id']}")).is_success
            of_the_erasure = await connection.fetchval(openings, document["id"])
            problem_of(await redeem(running, made["token"]), [404])
            assert json_of(await asha.http.get(f"/v1/links/{made['id']}"))["refused_count"] == 1
        assert await connection.fetchval(openings, document["id"]) == of_the_erasure == 1
    finally:
        await connection.close()


async def test_a_link_to_some_fields_shows_no_others(running: Program) -> None:
    async with signed_up(running, "Asha") as asha:
        made = await record(asha)
        shared = await link(
            asha,
            made["id"],
            resource={"kind": "record", "id": made["id"]},
            fields=["/name"],
            max_uses=1,
        )
        async with holder(running, await redeem(running, shared["token"])) as http:
            path, purpose = f"/v1/records/{made['id']}", {"purpose": PURPOSE}
            shown = await http.get(path, params=purpose)
            assert json_of(shown)["data"] == {"name": "Canary Rao"}
            assert (await http.get(path, params=purpose)).status_code == 401  # used up


@pytest.mark.slow
async def test_many_redeemers_at_two_servers_never_get_more_than_allowed(
    places: Callable[[], Path], own: Program, figure: Callable[[str], None]
) -> None:
    """Invariant 9. In every second round one server is killed while they redeem."""
    await own.running()
    second = Program(places(), data_dir=own.data_dir, database_url=own.database_url, worker="false")
    allowed = redeemed = over = killed = lost = 0
    async with ending(second), signed_up(own, "Asha") as asha:
        document = await asha.upload("Contested.")
        for number in range(ROUNDS):
            if not second.is_running:
                await second.start()
            if number % 20 == 19:  # a thousand rounds take longer than a token lasts
                tokens = await signed_in(asha.http, asha.email)
                asha.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
            made = await link(asha, document["id"], redemptions_max=3)
            racers = [
                asyncio.create_task(redeem((own, second)[n % 2], made["token"]))
                for n in range(REDEEMERS)
            ]
            if number % 2:
                await asyncio.sleep(0.15)
                await second.kill()
                killed += 1
            answers = await asyncio.gather(*racers, return_exceptions=True)
            won = sum(1 for each in answers if getattr(each, "status_code", 0) == 200)
            lost += sum(isinstance(each, BaseException) for each in answers)
            told = await asha.http.get(f"/v1/links/{made['id']}")
            assert told.status_code == 200, told.text
            left = json_of(told)["redemptions_left"]
            allowed += 3
            redeemed += won
            over += max(0, won - 3)
            assert won <= 3
            assert left == 0 if number % 2 == 0 else 3 - left >= won
            assert number % 2 or won == 3
    assert over == 0
    figure(
        f"{redeemed} of {allowed} redemptions in {ROUNDS} rounds of {REDEEMERS} redeemers at two "
        f"servers, {killed} kills, {lost} answers lost, over-redemptions {over}"
    )


async def test_a_repeated_link_is_the_same_one_and_its_token_is_not_shown_again(
    running: Program,
) -> None:
    async with signed_up(running, "Asha") as asha:
        document = await asha.upload("A heron by link.", index_mode="none")
        body = grant_body(document["id"], "") | {"actions": ["read"], "passcode": "seven hills"}
        del body["grantee"]

        async def ask(key: str, **changes: object) -> httpx2.Response:
            headers = {"Idempotency-Key": key}
            return await asha.http.post("/v1/links", json=body | changes, headers=headers)

        at_once = await asyncio.gather(*(ask("first") for _ in range(8)))
        made = [json_of(each) for each in at_once]
        assert {each.status_code for each in at_once} == {201}
        assert len({each["id"] for each in made}) == 1
        [token] = [each["token"] for each in made if each["token"] is not None]
        assert [each["url"] is None for each in made] == [each["token"] is None for each in made]
        assert len(json_of(await asha.http.get("/v1/links"))["items"]) == 1

        again = json_of(await ask("first"))
        assert (again["token"], again["url"]) == (None, None)
        for changes in ({"passcode": "eight hills"}, {"passcode": None}, {"redemptions_max": 2}):
            problem_of(await ask("first", **changes), [422])
        assert json_of(await ask("second"))["id"] != made[0]["id"]
        # It works as it was made, and nothing quick to guess its pass-code by is kept.
        assert (await redeem(running, token, passcode="seven hills")).status_code == 200
