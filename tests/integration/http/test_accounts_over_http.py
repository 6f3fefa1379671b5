"""Accounts, sessions and OAuth over a real server."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from litestar import get
from litestar.di import Provide
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.identifiers import uuid7
from adapters.memory.rate_limits import MemoryRateLimits
from adapters.postgres.engine import Database
from adapters.postgres.tenants import create_tenant
from adapters.tokens.opaque_tokens import REFRESH, PrefixedTokens
from adapters.tokens.signing_keys import SigningKeys
from application.accounts.keep_service_clients import SecretTold
from application.accounts.ports import Tenant
from application.accounts.sign_in import SIGN_IN_PER_ACCOUNT, SIGN_IN_PER_ADDRESS
from application.vault.key_service import SigningPurpose
from domain.identity import Caller, Role, TenantId
from entrypoints.container import Container
from entrypoints.http.accounts import ACCOUNT_ROUTES
from entrypoints.http.authentication import Authentication
from entrypoints.http.introspection import INTROSPECTION_ROUTES
from entrypoints.http.oauth import FORM, OAUTH_ROUTES
from entrypoints.http.token_exchange import GRANT_TYPE, TokenExchange
from tests.integration.accounts.front_door import ISSUER, PASSWORD, FrontDoor, front_door
from tests.integration.http.conftest import Serve

JSON = {"Content-Type": "application/json"}


@get("/v1/anything")
async def anything() -> dict[str, str]:
    return {"seen": "yes"}


@pytest.fixture(scope="module")
async def house(
    database: Database, engine: AsyncEngine, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FrontDoor]:
    """One for all these tests; every test has a tenant of its own."""
    house = await front_door(database, engine, tmp_path_factory.mktemp("keyring"))
    rates = {SIGN_IN_PER_ADDRESS: "1000/hour", SIGN_IN_PER_ACCOUNT: "5/hour"}
    yield replace(house, sign_in=replace(house.sign_in, attempts=MemoryRateLimits(rates)))
    house.passwords.close()


@pytest.fixture
async def door(house: FrontDoor, database: Database) -> FrontDoor:
    name = f"open-{uuid7()}"
    tenant_id = await create_tenant(database, name=name, sign_up_open=True)
    return replace(house, tenant=Tenant(id=tenant_id, name=name, sign_up_open=True))


@pytest.fixture(scope="module")
async def client(
    house: FrontDoor, serve: Serve, container: Container
) -> AsyncIterator[httpx2.AsyncClient]:
    given = {
        "accounts": house.accounts,
        "sign_up": house.sign_up,
        "sign_in": house.sign_in,
        "sign_out": house.sign_out,
        "second_factors": house.second_factors,
        "refresh_session": house.refresh_session,
        "revoke_token": house.revoke_token,
        "introspect_token": house.introspect_token,
        "signing_keys": house.keys,
        "receipt_keys": SigningKeys(signer=house.keys.signer, purpose=SigningPurpose.RECEIPTS),
        "issuer": ISSUER,
        "grant_client_token": container.grant_client_token(),
        "token_exchange": TokenExchange(
            access_tokens=house.access_tokens,
            hold_grant_token=container.hold_grant_token(),
            exchange_token=container.exchange_token(),
        ),
    }
    async with serve(
        *ACCOUNT_ROUTES,
        *OAUTH_ROUTES,
        *INTROSPECTION_ROUTES,
        anything,
        middleware=[Authentication(house.access_tokens)],
        dependencies={name: _provide(value) for name, value in given.items()},
    ) as running:
        del running.client.headers["Authorization"]
        yield running.client


def _provide(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)


async def join(client: httpx2.AsyncClient, door: FrontDoor, **fields: Any) -> httpx2.Response:
    body = {"email": "asha@example.org", "password": PASSWORD, "display_name": "Asha"}
    # Written here: a client would not send half of a surrogate pair.
    content = json.dumps({**body, "tenant": door.tenant.name, **fields})
    return await client.post("/v1/accounts", content=content, headers=JSON)


async def enter(client: httpx2.AsyncClient, door: FrontDoor, **fields: Any) -> httpx2.Response:
    body = {"email": "asha@example.org", "password": PASSWORD, "tenant": door.tenant.name}
    return await client.post("/v1/sessions", json={**body, **fields})


async def tokens(client: httpx2.AsyncClient, door: FrontDoor) -> dict[str, Any]:
    await join(client, door)
    entered = await enter(client, door)
    assert entered.status_code == 201
    held: dict[str, Any] = entered.json()
    return held


def bearer(held: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {held['access_token']}"}


async def refresh(client: httpx2.AsyncClient, token: str) -> httpx2.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return await client.post("/v1/oauth/token", data=form)


async def test_sign_up_sign_in_look_refresh_and_sign_out(
    client: httpx2.AsyncClient, door: FrontDoor
) -> None:
    joined = await join(client, door, email="Asha@Example.org")
    assert joined.status_code == 201
    assert joined.headers["Location"] == "/v1/me"
    entered = await enter(client, door)
    assert entered.status_code == 201
    held = entered.json()
    assert set(held) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (held["token_type"], held["expires_in"]) == ("Bearer", 600)
    assert "no-store" in entered.headers["Cache-Control"]

    seen = await client.get("/v1/me", headers=bearer(held))
    assert seen.status_code == 200
    assert seen.json() == joined.json()
    assert seen.json()["email"] == "asha@example.org"
    assert seen.json()["role"] == "member"
    assert seen.json()["tenant"] == door.tenant.name

    renewed = await refresh(client, held["refresh_token"])
    assert renewed.status_code == 200
    assert renewed.headers["Cache-Control"] == "no-store"
    left = await client.delete("/v1/sessions", headers=bearer(renewed.json()))
    assert left.status_code == 204
    assert (await refresh(client, renewed.json()["refresh_token"])).status_code == 400


async def test_a_taken_address_is_a_conflict(client: httpx2.AsyncClient, door: FrontDoor) -> None:
    await join(client, door)
    again = await join(client, door, email="ASHA@example.org", display_name="Eve")
    assert (again.status_code, again.json()["code"]) == (409, "email_taken")


async def test_a_closed_tenant_is_told_to_nobody_from_one_that_does_not_exist(
    client: httpx2.AsyncClient, door: FrontDoor
) -> None:
    refused = await join(client, door, tenant="there is none")
    assert (refused.status_code, refused.json()["code"]) == (403, "sign_up_closed")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "no-address"),
        ("email", "a@b.org\u0000"),
        ("email", "x" * 250 + "@b.org"),
        ("password", "short"),
        ("password", "password123"),
        ("password", "long enough \ud800"),
        ("password", "x" * 1001),
        ("display_name", " "),
        ("display_name", "Ben\u202egro"),
        ("role", "admin"),
    ],
)
async def test_each_wrong_field_is_named(
    client: httpx2.AsyncClient, door: FrontDoor, field: str, value: str
) -> None:
    refused = await join(client, door, **{field: value})
    assert refused.status_code == 400
    assert [error["pointer"] for error in refused.json()["errors"]] == [f"/{field}"]


async def test_a_stranger_and_a_wrong_password_get_the_same_answer(
    client: httpx2.AsyncClient, door: FrontDoor
) -> None:
    await join(client, door)
    wrong = [
        await enter(client, door, password="wrong phrase"),
        await enter(client, door, email="nobody@example.org"),
        await enter(client, door, tenant="there is none"),
    ]
    answers = []
    for response in wrong:
        problem = response.json()
        assert problem.pop("request_id")
        headers = {name for name in response.headers if name != "date"}
        challenge = response.headers["WWW-Authenticate"]
        answers.append((response.status_code, problem, headers, challenge))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0][0] == 401


async def test_too_many_attempts_are_told_when_to_come_back(
    client: httpx2.AsyncClient, door: FrontDoor
) -> None:
    await join(client, door)
    for _ in range(5):
        assert (await enter(client, door, password="wrong phrase")).status_code == 401
    limited = await enter(client, door)
    assert limited.status_code == 429
    assert 1 <= int(limited.headers["Retry-After"]) <= 3600
    assert limited.headers["RateLimit-Policy"] == f'"{SIGN_IN_PER_ACCOUNT}";q=5;w=3600'
    assert limited.headers["RateLimit"].startswith(f'"{SIGN_IN_PER_ACCOUNT}";r=0;t=')
    assert limited.json()["code"] == "too_many_requests"


@pytest.mark.parametrize("route", ["/v1/me", "/v1/anything"])
@pytest.mark.parametrize(
    ("authorization", "challenge"),
    [
        (None, "Bearer"),
        ("Bearer", 'Bearer error="invalid_token"'),
        ("Bearer x.y.z", 'Bearer error="invalid_token"'),
        ("Basic YTpi", 'Bearer error="invalid_token"'),
    ],
)
async def test_every_route_needs_a_token_unless_it_says_otherwise(
    client: httpx2.AsyncClient, route: str, authorization: str | None, challenge: str
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    refused = await client.get(route, headers=headers)
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"].startswith(challenge)
    assert refused.headers["Content-Type"] == "application/problem+json"


async def test_two_tokens_in_one_request_are_none(
    client: httpx2.AsyncClient, door: FrontDoor
) -> None:
    value = bearer(await tokens(client, door))["Authorization"]
    assert (await client.get("/v1/anything", headers={"Authorization": value})).status_code == 200
    both = [("Authorization", value), ("Authorization", value)]
    assert (await client.get("/v1/anything", headers=both)).status_code == 401


async def test_the_scheme_is_read_in_any_case(client: httpx2.AsyncClient, door: FrontDoor) -> None:
    held = await tokens(client, door)
    headers = {"Authorization": f"bearer {held['access_token']}"}
    assert (await client.get("/v1/me", headers=headers)).status_code == 200


async def test_a_token_that_ran_out_keeps_nobody_from_signing_in(
    client: httpx2.AsyncClient, door: FrontDoor
) -> None:
    await join(client, door)
    body = {"email": "asha@example.org", "password": PASSWORD, "tenant": door.tenant.name}
    stale = {"Authorization": "Bearer of.old.times"}
    entered = await client.post("/v1/sessions", json=body, headers=stale)
    assert entered.status_code == 201


async def test_a_token_for_a_person_that_is_not_there_shows_nothing(
    client: httpx2.AsyncClient, door: FrontDoor
) -> None:
    held = await tokens(client, door)
    verified = await door.access_tokens.verify(held["access_token"])
    elsewhere = replace(verified, caller=replace(verified.caller, tenant_id=TenantId(UUID(int=5))))
    token = await door.access_tokens.issue(elsewhere)
    seen = await client.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert seen.status_code == 401


async def test_a_race_of_sixteen_is_won_by_one(client: httpx2.AsyncClient, door: FrontDoor) -> None:
    held = await tokens(client, door)
    answers = await asyncio.gather(*(refresh(client, held["refresh_token"]) for _ in range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 15
    (winner,) = (answer.json() for answer in answers if answer.status_code == 200)
    after = await refresh(client, winner["refresh_token"])
    assert (after.status_code, after.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ("", "invalid_request"),
        ("grant_type=", "invalid_request"),
        ("grant_type=refresh_token", "invalid_request"),
        ("grant_type=refresh_token&refresh_token=", "invalid_request"),
        ("grant_type=refresh_token&refresh_token=x&refresh_token=y", "invalid_request"),
        ("grant_type=refresh_token&refresh_token=%ff", "invalid_request"),
        ("&".join(f"n{number}=1" for number in range(17)), "invalid_request"),
        ("grant_type=refresh_token&refresh_token=x&client_id=any", "invalid_grant"),
        ("grant_type=refresh_token&refresh_token=%00", "invalid_grant"),
        ("grant_type=password&username=a&password=b", "unsupported_grant_type"),
        (
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
            "invalid_request",
        ),
    ],
)
async def test_the_token_endpoint_refuses_in_the_words_of_oauth(
    client: httpx2.AsyncClient, form: str, error: str
) -> None:
    headers = {"Content-Type": FORM}
    refused = await client.post("/v1/oauth/token", content=form.encode(), headers=headers)
    assert refused.status_code == 400
    assert set(refused.json()) == {"error", "error_description"}
    assert refused.json()["error"] == error
    assert refused.headers["Content-Type"] == "application/json"
    assert refused.headers["Cache-Control"] == "no-store"


@pytest.fixture
async def program(door: FrontDoor, container: Container) -> SecretTold:
    """A service client of the door's tenant."""
    someone = await door.join(f"{uuid7()}@example.org")
    return await container.make_service_client()(
        caller=Caller(tenant_id=door.tenant.id, person_id=someone.id, role=Role.ADMIN),
        name="Nightly import",
        role=Role.MEMBER,
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        idempotency=None,
    )


def basic(name: object, secret: object) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{name}:{secret}'.encode()).decode()}"}


async def test_a_service_client_authenticates_by_basic_or_in_the_form(
    client: httpx2.AsyncClient, program: SecretTold
) -> None:
    name, secret = program.client.id, str(program.secret)
    grant = {"grant_type": "client_credentials"}
    in_form = {"client_id": str(name), "client_secret": secret}
    encoded = "".join(f"%{ord(letter):02x}" for letter in secret)
    for form, headers in (
        (in_form, {}),
        (in_form, {"Authorization": "Bearer of.somebody.else"}),
        ({}, basic(name, secret)),
        ({"client_id": str(name), "scope": ""}, basic(name, encoded)),
    ):
        granted = await client.post("/v1/oauth/token", data=grant | form, headers=headers)
        assert granted.status_code == 200, granted.text
        assert set(granted.json()) == {"access_token", "token_type", "expires_in"}
        assert granted.headers["Cache-Control"] == "no-store"
    for form, headers, status, error in (
        (in_form, basic(name, secret), 400, "invalid_request"),
        ({"client_id": "another"}, basic(name, secret), 400, "invalid_request"),
        ({"scope": "admin"}, basic(name, secret), 400, "invalid_scope"),
        ({}, {}, 401, "invalid_client"),
        ({"client_id": str(name)}, {}, 401, "invalid_client"),
        (in_form | {"client_secret": f"{secret}x"}, {}, 401, "invalid_client"),
        ({}, basic(name, "%zz"), 401, "invalid_client"),
        ({}, basic(name, "%ff"), 401, "invalid_client"),
        ({}, basic(name, ""), 401, "invalid_client"),
        ({}, {"Authorization": "Basic"}, 401, "invalid_client"),
        ({}, {"Authorization": "Basic no base64"}, 401, "invalid_client"),
        ({}, {"Authorization": f"Basic {'A' * 2000}"}, 401, "invalid_client"),
        ({}, {"Authorization": f"Bearer {secret}"}, 401, "invalid_client"),
    ):
        refused = await client.post("/v1/oauth/token", data=grant | form, headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (status, error), headers
        assert refused.headers["Cache-Control"] == "no-store"
        assert refused.headers.get("WWW-Authenticate", "")[:5] == ("Basic" if status == 401 else "")


async def test_the_token_endpoint_reads_forms_only_and_small_ones(
    client: httpx2.AsyncClient,
) -> None:
    as_json = await client.post("/v1/oauth/token", json={"grant_type": "refresh_token"})
    assert (as_json.status_code, as_json.json()["error"]) == (400, "invalid_request")
    large = await client.post("/v1/oauth/token", data={"refresh_token": "x" * 10_000})
    assert large.status_code == 413


async def test_a_revoked_token_and_a_made_up_one_are_answered_alike(
    client: httpx2.AsyncClient, door: FrontDoor
) -> None:
    held = await tokens(client, door)
    answers = [
        await client.post("/v1/oauth/revoke", data={"token": token, "token_type_hint": "any"})
        for token in (held["refresh_token"], held["refresh_token"], "srr_nothing", "x")
    ]
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, b"")}
    assert (await refresh(client, held["refresh_token"])).json()["error"] == "invalid_grant"


async def test_an_access_token_cannot_be_revoked_and_it_is_said(
    client: httpx2.AsyncClient, door: FrontDoor
) -> None:
    held = await tokens(client, door)
    refused = await client.post("/v1/oauth/revoke", data={"token": held["access_token"]})
    assert (refused.status_code, refused.json()["error"]) == (400, "unsupported_token_type")


async def introspect(
    client: httpx2.AsyncClient, held: dict[str, Any], token: str, **more: str
) -> httpx2.Response:
    form = {"token": token, **more}
    return await client.post("/v1/oauth/introspect", data=form, headers=bearer(held))


async def test_a_token_that_works_is_described_to_who_holds_it(
    client: httpx2.AsyncClient, door: FrontDoor
) -> None:
    held = await tokens(client, door)
    me = (await client.get("/v1/me", headers=bearer(held))).json()
    told = await introspect(client, held, held["access_token"], token_type_hint="refresh_token")
    assert (told.status_code, told.headers["Cache-Control"]) == (200, "no-store")
    access = told.json()
    assert access["exp"] - access["iat"] == 600
    assert {name: access[name] for name in ("active", "token_type", "sub", "role", "acr")} == {
        "active": True,
        "token_type": "Bearer",
        "sub": me["id"],
        "role": "member",
        "acr": "pwd",
    }
    refreshing = (await introspect(client, held, held["refresh_token"])).json()
    assert (refreshing["active"], refreshing["sub"]) == (True, me["id"])
    assert refreshing.keys() == {"active", "sub", "tenant", "exp", "acr", "auth_time"}
    assert refreshing["exp"] > access["exp"]


async def test_whatever_does_not_work_gets_one_and_the_same_answer(
    client: httpx2.AsyncClient, door: FrontDoor, database: Database
) -> None:
    held = await tokens(client, door)
    renewed = (await refresh(client, held["refresh_token"])).json()
    short = replace(door.access_tokens, lifetime_seconds=0)
    expired = await short.issue(await door.access_tokens.verify(held["access_token"]))
    over = (await enter(client, door)).json()
    await client.delete("/v1/sessions", headers=bearer(over))
    elsewhere = f"elsewhere-{uuid7()}"
    other = await create_tenant(database, name=elsewhere, sign_up_open=True)
    there = replace(door, tenant=Tenant(id=other, name=elsewhere, sign_up_open=True))
    stranger = await tokens(client, there)
    # Its last two characters are one byte of the signature: one token in 256 ends in "AA" anyway.
    signed, _, signature = held["access_token"].rpartition(".")
    dead = {
        "expired": expired,
        "used": held["refresh_token"],
        "of a session that is over": over["access_token"],
        "revoked with its session": over["refresh_token"],
        "unknown": PrefixedTokens(prefix=REFRESH).new(door.tenant.id).text,
        "of a tenant that is not": PrefixedTokens(prefix=REFRESH).new(TenantId(uuid7())).text,
        "malformed": "srr_nothing",
        "of another kind": PrefixedTokens(prefix="srx_").new(door.tenant.id).text,
        "altered": f"{signed}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        "a surprise": "\x00",
        "very long": "x" * 7000,
        "another tenant's access token": stranger["access_token"],
        "another tenant's refresh token": stranger["refresh_token"],
    }
    answers = {}
    for what, token in dead.items():
        answer = await introspect(client, renewed, token)
        headers = {name: answer.headers[name] for name in answer.headers}
        del headers["date"], headers["x-request-id"]
        answers[what] = (answer.status_code, answer.content, headers)
    assert answers["expired"][:2] == (200, b'{"active":false}')
    assert {what: each for what, each in answers.items() if each != answers["expired"]} == {}
    # Looking at a used token is not using it: its session goes on.
    assert (await refresh(client, renewed["refresh_token"])).status_code == 200
    assert (await introspect(client, stranger, stranger["access_token"])).json()["active"]


async def test_nobody_introspects_without_a_token_of_their_own(
    client: httpx2.AsyncClient, door: FrontDoor
) -> None:
    held = await tokens(client, door)
    refused = await client.post("/v1/oauth/introspect", data={"token": held["access_token"]})
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    missing = await client.post("/v1/oauth/introspect", data={"x": "y"}, headers=bearer(held))
    assert (missing.status_code, missing.json()["error"]) == (400, "invalid_request")


async def test_other_programs_find_what_they_need(client: httpx2.AsyncClient) -> None:
    described = (await client.get("/.well-known/oauth-authorization-server")).json()
    assert described["issuer"] == ISSUER
    grants = ["refresh_token", "client_credentials", GRANT_TYPE]
    assert described["grant_types_supported"] == grants
    for name in (
        "token_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
        "jwks_uri",
    ):
        path = described[name].removeprefix(ISSUER)
        assert (await client.get(path)).status_code in (200, 405), name
    keys = (await client.get("/.well-known/jwks.json")).json()["keys"]
    assert len({key["kid"] for key in keys}) == 2  # of tokens, and of receipts
    for key in keys:
        assert set(key) == {"kty", "crv", "x", "use", "alg", "kid"}
