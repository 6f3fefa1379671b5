"""A tenant that keeps finished answers after a withdrawal, as operators and clients see it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from tests.integration.running.people import (
    Json,
    Person,
    grant_body,
    json_of,
    problem_of,
    signed_in,
    signed_up,
)
from tests.integration.running.program import Program, command
from tests.integration.running.test_answer_manifests import ask

POLICY = "/v1/withdrawal-policy"
BASIS = {"lawful_basis": "legal_obligation", "reference": "Schedule 7.2"}
TERM = {"dpv_term": "eu-gdpr:A6-1-c"}


HIDE = "hide: finished answers go with the consent that they rest on\n"


@pytest.fixture(scope="module")
async def admin(own: Program) -> AsyncIterator[Person]:
    await own.running()
    async with signed_up(own, "Ada") as ada:
        refused = await ada.http.put(POLICY, json={"answers": "hide"})
        code = "withdrawal_policy_is_kept_by_administrators"
        assert problem_of(refused, [403])["code"] == code
        status, said, _ = await command(
            *("role", "set", ada.email, "admin"),
            directory=own.data_dir,
            database_url=own.database_url,
        )
        assert status == 0, said
        tokens = await signed_in(ada.http, ada.email)
        ada.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
        yield ada


async def test_administrators_alone_set_the_policy_and_wrong_ones_change_nothing(
    admin: Person,
) -> None:
    policy = {"answers": "keep", **BASIS}
    assert json_of(await admin.http.put(POLICY, json=policy)) == policy | TERM
    wrong: list[tuple[Json, str]] = [
        ({"answers": "keep"}, "/lawful_basis"),
        ({"answers": "keep", "lawful_basis": "contract"}, "/reference"),
        ({"answers": "hide", "reference": "x"}, "/reference"),
        ({"answers": "hide", "lawful_basis": "contract"}, "/lawful_basis"),
        (policy | {"reference": ""}, "/reference"),
        (policy | {"reference": "x" * 201}, "/reference"),
        (policy | {"reference": "a\nb"}, "/reference"),
        (policy | {"lawful_basis": "consent"}, "/lawful_basis"),
        ({"answers": "forget"}, "/answers"),
        (policy | {"since": "now"}, "/since"),
    ]
    for body, pointer in wrong:
        problem = problem_of(await admin.http.put(POLICY, json=body), [400])
        assert [each["pointer"] for each in problem["errors"]] == [pointer], body
    assert json_of(await admin.http.get(POLICY)) == policy | TERM
    assert json_of(await admin.http.put(POLICY, json={"answers": "hide"})) == {
        "answers": "hide",
        "lawful_basis": None,
        "dpv_term": None,
        "reference": None,
    }


async def test_answers_that_a_tenant_keeps_say_so_wherever_they_are_read(
    own: Program, admin: Person
) -> None:
    answer = await admin.http.put(POLICY, json={"answers": "keep", **BASIS})
    assert answer.status_code == 200, answer.text
    async with signed_up(own, "Asha") as asha, signed_up(own, "Ben") as ben:
        told = {"answers": "keep", **BASIS, **TERM}
        assert json_of(await ben.http.get(POLICY)) == told
        document = await asha.ready("The heron nests on the north pier.")
        grant = await asha.grant(document["id"], ben)
        run_id = await ask(ben, "Where does the heron nest?")
        before = (await ben.http.get(f"/v1/runs/{run_id}/events")).text
        withdrawn = await asha.http.post(f"/v1/consents/{grant['consent_id']}/withdraw")
        receipt = json_of(withdrawn)
        assert (receipt["answers_hidden"], receipt["answers_kept"]) == (0, 1)
        assert receipt["kept_under"] == BASIS | TERM
        claims = _claims_of(receipt["receipt"])
        assert (claims["answers_kept"], claims["kept_under"]) == (1, BASIS | TERM)
        await _reads_what_was_kept(ben, run_id, before)
        assert (await asha.http.get(f"/v1/runs/{run_id}")).status_code == 404
        read = await ben.http.get(f"/v1/documents/{document['id']}/text")
        assert read.status_code == 404

        await asha.http.delete(f"/v1/documents/{document['id']}")
        gone = await ben.http.get(f"/v1/runs/{run_id}/events")
        assert problem_of(gone, [403])["code"] == "access_revoked"


async def test_whoever_gives_consent_is_told_before_what_becomes_of_answers(
    own: Program, admin: Person
) -> None:
    stay = "(legal obligation, Article 6(1)(c) of the GDPR: “Schedule 7.2”)"
    await _put(admin, {"answers": "hide"})
    async with signed_up(own, "Asha") as asha, signed_up(own, "Ben") as ben:
        document = await asha.ready("The heron nests on the north pier.")
        outdated = await _request(ben, asha, document["id"])
        assert "are then hidden, too" in outdated["notice"]["text"]
        given = await asha.grant(document["id"], ben)
        assert "are then hidden, too" in await _agreed(asha, given["consent_id"])

        await _put(admin, {"answers": "keep", **BASIS})
        told = await _agreed(asha, given["consent_id"])
        assert stay not in told  # a record does not change
        before = await asha.everything()
        for path, body in (
            (f"/v1/consents/{outdated['record_id']}/approve", {}),
            (f"/v1/consents/{given['consent_id']}/renew", {"expires_at": _later(2)}),
        ):
            refused = await asha.http.post(path, json=body)
            assert problem_of(refused, [409])["code"] == "notice_outdated", path
        assert await asha.everything() == before

        asked = await _request(ben, asha, document["id"])
        assert stay in asked["notice"]["text"]  # she reads it before she approves
        approved = await asha.http.post(f"/v1/consents/{asked['record_id']}/approve")
        assert approved.status_code == 201, approved.text
        assert stay in await _agreed(asha, asked["record_id"])
        renewal = {"expires_at": _later(3)}
        renewed = await asha.http.post(f"/v1/consents/{asked['record_id']}/renew", json=renewal)
        assert renewed.status_code == 201, renewed.text
        again = await asha.grant(document["id"], ben)
        for side in (asha, ben):
            assert stay in await _agreed(side, again["consent_id"])

        await _put(admin, {"answers": "hide"})  # the promise is the lesser one
        renewed = await asha.http.post(
            f"/v1/consents/{asked['record_id']}/renew", json={"expires_at": _later(4)}
        )
        assert renewed.status_code == 201, renewed.text


def _later(hours: int) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).isoformat()


async def _put(admin: Person, policy: Json) -> None:
    answer = await admin.http.put(POLICY, json=policy)
    assert answer.status_code == 200, answer.text


async def _request(asking: Person, asked: Person, document_id: str) -> Json:
    body = grant_body(document_id, "") | {"principal": asked.email}
    del body["grantee"]
    answer = await asking.http.post("/v1/consents", json=body)
    assert answer.status_code == 201, answer.text
    return json_of(answer)


async def _agreed(side: Person, consent_id: str) -> str:
    """The notice in the record, which is the one in the side's signed receipt, and its hash."""
    listed = json_of(await side.http.get("/v1/consents", params={"limit": 200}))["items"]
    [record] = [each for each in listed if each["record_id"] == consent_id]
    notice: Json = record["notice"]
    receipt = json_of(await side.http.get(f"/v1/consents/{consent_id}/receipt"))["receipt"]
    assert _claims_of(receipt)["notice"] == notice
    text: str = notice["text"]
    assert sha256(f"{notice['language']}\n{text}".encode()).hexdigest() == notice["sha256"]
    return text


async def _reads_what_was_kept(ben: Person, run_id: str, before: str) -> None:
    run = json_of(await ben.http.get(f"/v1/runs/{run_id}"))
    kept = run["kept"]
    assert (run["state"], {name: kept[name] for name in BASIS}) == ("completed", BASIS)
    messages = await ben.http.get(f"/v1/conversations/{run['conversation_id']}/messages")
    question, answer = json_of(messages)["items"]
    assert (question["kept"], answer["kept"]) == (None, kept)
    assert "north pier" in answer["content"]
    again = (await ben.http.get(f"/v1/runs/{run_id}/events")).text
    [mark] = [each for each in again.split("\n\n") if "event: kept" in each]
    assert again.replace(f"{mark}\n\n", "") == before
    assert '"reference":"Schedule 7.2"' in mark
    assert (await ben.http.get(f"/v1/runs/{run_id}/manifest")).status_code == 200
    bundle = await ben.http.get(f"/v1/runs/{run_id}/bundle")
    assert problem_of(bundle, [403])["code"] == "passages_withdrawn"


@pytest.mark.slow  # four commands
async def test_an_operator_says_it_by_a_command_beside_the_server(own: Program) -> None:
    await own.running()

    async def policy(*arguments: str) -> tuple[int, str]:
        told = ("tenant", "withdrawal-policy", *arguments)
        status, said, _ = await command(*told, directory=own.data_dir, data_dir=own.data_dir)
        return status, said

    assert await policy("default", "--hide") == (0, HIDE)
    status, said = await policy(
        "default", "--keep-on", "legal_obligation", "--reference", "Schedule 7.2"
    )
    assert status == 0, said
    assert "legal_obligation (eu-gdpr:A6-1-c): Schedule 7.2" in said
    for arguments, words in [
        (("default", "--keep-on", "contract"), "takes a lawful basis and a reference of up to 200"),
        (("elsewhere", "--hide"), "no tenant of this name"),
    ]:
        status, said = await policy(*arguments)
        assert status != 0
        assert words in said
    assert "Schedule 7.2" in (await policy("default"))[1]


def _claims_of(signed: str) -> Json:
    payload = signed.split(".")[1]
    claims: Json = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
