"""An agent acts under a grant of its own, narrower than that of whoever sent it (RFC 8693)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from entrypoints.http.token_exchange import ACCESS_TOKEN, GRANT_TYPE
from tests.integration.running.people import PURPOSE, Json, Person, json_of, problem_of, signed_up
from tests.integration.running.program import Program


async def exchange(
    http: httpx2.AsyncClient, subject: str, document_id: str, **fields: str
) -> httpx2.Response:
    form = {
        "grant_type": GRANT_TYPE,
        "subject_token": subject,
        "subject_token_type": ACCESS_TOKEN,
        "resource": f"/v1/documents/{document_id}",
        "scope": "read",
        **fields,
    }
    return await http.post("/v1/oauth/token", data=form)


async def exchanged(program: Program, subject: str, document_id: str, **fields: str) -> Json:
    async with program.client() as http:
        answer = await exchange(http, subject, document_id, **fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return json_of(answer)


@asynccontextmanager
async def agent(program: Program, token: str) -> AsyncIterator[httpx2.AsyncClient]:
    async with program.client(headers={"Authorization": f"Bearer {token}"}) as http:
        yield http


async def _status(http: httpx2.AsyncClient, document_id: str, purpose: str = PURPOSE) -> int:
    path = f"/v1/documents/{document_id}/content"
    return (await http.get(path, params={"purpose": purpose})).status_code


def _own(person: Person) -> str:
    return str(person.tokens["access_token"])


async def test_an_agent_does_what_it_was_sent_for_and_nothing_else(
    running: Program, asha: Person
) -> None:
    document, other = (
        await asha.ready("A heron, for the agent."),
        await asha.ready("Another heron."),
    )
    given = await exchanged(
        running,
        _own(asha),
        document["id"],
        scope="search read quote",
        purpose=PURPOSE,
        agent="Tide table bot",
        lifetime="120",
    )
    assert given["token_type"] == "Bearer"
    assert given["issued_token_type"] == ACCESS_TOKEN
    assert given["scope"] == "quote read search"
    assert 100 <= given["expires_in"] <= 120
    async with agent(running, given["access_token"]) as http:
        assert await _status(http, document["id"]) == 200
        assert await _status(http, document["id"], "care") == 404
        assert await _status(http, other["id"]) == 404
        hits = await http.post("/v1/search", json={"query": "heron", "purpose": PURPOSE})
        found = {hit["document_id"] for hit in json_of(hits)["items"]}
        assert found == {document["id"]}
        for method, path in (("GET", "/v1/documents"), ("POST", "/v1/grants"), ("GET", "/v1/me")):
            refused = problem_of(await http.request(method, path), [403])
            assert refused["code"] == "insufficient_scope"
    described = await asha.http.post("/v1/oauth/introspect", data={"token": given["access_token"]})
    assert json_of(described)["active"] is True
    accesses = json_of(await asha.http.get(f"/v1/documents/{document['id']}/accesses"))["items"]
    assert "Tide table bot" in {each["display_name"] for each in accesses}

    ended = await asha.http.post(f"/v1/grants/{given['grant_id']}/revoke")
    assert ended.status_code == 200
    async with agent(running, given["access_token"]) as http:
        assert await _status(http, document["id"]) == 401


async def test_what_an_agent_passes_on_is_narrower_and_ends_with_it(
    running: Program, asha: Person
) -> None:
    document = await asha.ready("A heron, passed on.")
    first = await exchanged(
        running, _own(asha), document["id"], scope="read share", purpose=PURPOSE
    )
    token = first["access_token"]
    second = await exchanged(running, token, document["id"], scope="read", lifetime="86400")
    assert second["expires_in"] <= first["expires_in"]
    async with running.client() as http:
        for fields, error in (
            ({"scope": "read search"}, "invalid_scope"),  # wider than what it has
            ({"purpose": "care"}, "invalid_request"),
        ):
            answer = await exchange(http, token, document["id"], **fields)
            assert (answer.status_code, json_of(answer)["error"]) == (400, error), answer.text
        further = await exchange(http, second["access_token"], document["id"])
        assert json_of(further)["error"] == "invalid_target", "it may not share"
    async with agent(running, second["access_token"]) as http:
        assert await _status(http, document["id"]) == 200
        await asha.http.post(f"/v1/grants/{first['grant_id']}/revoke")
        assert await _status(http, document["id"]) == 401


async def test_whoever_was_given_something_sends_an_agent_only_if_they_may_share(
    running: Program, asha: Person
) -> None:
    document = await asha.ready("A heron for two.")
    async with signed_up(running, "Ben") as ben, signed_up(running, "Cara") as cara:
        kept = await asha.grant(document["id"], ben)
        shared = await asha.grant(
            document["id"], cara, actions=["read", "share"], max_uses=2, retention_seconds=0
        )
        async with running.client() as http:
            for person, parent in ((ben, kept["id"]), (ben, shared["id"]), (ben, "")):
                answer = await exchange(
                    http, _own(person), document["id"], parent_id=parent, purpose=PURPOSE
                )
                assert json_of(answer)["error"] == "invalid_target", answer.text
            demanding = await asha.grant(
                document["id"], cara, actions=["read", "share"], required_acr="mfa"
            )
            answer = await exchange(http, _own(cara), document["id"], parent_id=demanding["id"])
            assert json_of(answer)["error"] == "invalid_request", answer.text
            assert "second factor" in json_of(answer)["error_description"]
        given = await exchanged(running, _own(cara), document["id"], parent_id=shared["id"])
        async with agent(running, given["access_token"]) as http:
            statuses = [await _status(http, document["id"]) for _ in range(3)]
        assert statuses == [200, 200, 401], "its uses are those of the grant above it"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"subject_token": ""}, "invalid_request"),
        ({"subject_token": "srg_nonsense"}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
        ({"actor_token": "x"}, "invalid_request"),
        ({"resource": ""}, "invalid_target"),
        ({"resource": "/v1/people/018f3c8e-0000-7000-8000-000000000000"}, "invalid_target"),
        ({"resource": "/v1/documents/018f3c8e-0000-7000-8000-000000000000"}, "invalid_target"),
        ({"resource": "/v1/documents/------------------------------------"}, "invalid_target"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "read everything"}, "invalid_scope"),
        ({"purpose": ""}, "invalid_request"),
        ({"purpose": "no such purpose"}, "invalid_request"),
        ({"agent": "a" * 81}, "invalid_request"),
        ({"agent": "two\nlines"}, "invalid_request"),
        ({"lifetime": "0"}, "invalid_request"),
        ({"lifetime": "86401"}, "invalid_request"),
        ({"lifetime": "-5"}, "invalid_request"),
        ({"lifetime": "soon"}, "invalid_request"),
        ({"parent_id": "no id"}, "invalid_request"),
    ],
)
async def test_a_bad_exchange_is_refused_in_the_words_of_oauth(
    running: Program, asha: Person, changed: dict[str, str], error: str
) -> None:
    document = await asha.upload("Not passed on.")
    before = await asha.everything()
    async with running.client() as http:
        fields = {"purpose": PURPOSE, **changed}
        subject = fields.pop("subject_token", _own(asha))
        answer = await exchange(http, subject, document["id"], **fields)
    assert (answer.status_code, json_of(answer)["error"]) == (400, error), answer.text
    assert json_of(answer)["error_description"]
    assert _own(asha) not in answer.text
    after = await asha.everything()
    assert after["/v1/grants"] == before["/v1/grants"]
