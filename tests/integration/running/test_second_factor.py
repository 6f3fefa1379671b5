"""One-time codes as a client meets them: set up, signed in with, stepped up with, removed."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx2
import pytest

from tests.integration.accounts.authenticator import Authenticator
from tests.integration.running.people import (
    PASSWORD,
    PURPOSE,
    Json,
    Person,
    grant_body,
    json_of,
    problem_of,
    signed_up,
)
from tests.integration.running.program import Program
from tests.integration.running.test_socket import opened

RACERS = 20


def claims_of(token: str) -> Json:
    part = token.split(".")[1]
    found: Json = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


async def enter(
    program: Program, person: Person, *, password: str = PASSWORD, totp: str | None = None
) -> httpx2.Response:
    credentials = {"email": person.email, "password": password}
    if totp is not None:
        credentials["totp"] = totp
    async with program.client() as http:
        return await http.post("/v1/sessions", json=credentials)


async def enrol(person: Person) -> tuple[Authenticator, list[str]]:
    proposed = await person.http.post("/v1/me/totp")
    assert proposed.status_code == 201, proposed.text
    assert json_of(proposed)["uri"].startswith("otpauth://totp/Strongroom:")
    app = await Authenticator.at_the_start_of_a_step(json_of(proposed)["secret"])
    confirmed = await person.http.post("/v1/me/totp/confirm", json={"code": app.code()})
    assert confirmed.status_code == 200, confirmed.text
    return app, json_of(confirmed)["recovery_codes"]


async def state(person: Person) -> Json:
    found: Json = json_of(await person.http.get("/v1/me"))["totp"]
    return found


async def test_from_setting_up_to_removing(running: Program) -> None:
    async with signed_up(running, "Asha") as asha:
        assert await state(asha) == {"state": "none", "recovery_codes_left": 0}
        assert claims_of(asha.tokens["access_token"])["amr"] == ["pwd"]
        problem_of(await asha.http.post("/v1/sessions/step-up", json={"totp": "123456"}), [409])
        problem_of(await asha.http.post("/v1/me/totp/confirm", json={"code": "123456"}), [409])

        app, recovery_codes = await enrol(asha)
        assert await state(asha) == {"state": "enrolled", "recovery_codes_left": 10}
        problem_of(await asha.http.post("/v1/me/totp"), [409])

        needed = await enter(running, asha)
        assert problem_of(needed, [401])["code"] == "totp_required"
        assert needed.headers["www-authenticate"] == "Bearer"
        used = await enter(running, asha, totp=app.code())
        assert problem_of(used, [401])["code"] == "totp_refused"
        entered = await enter(running, asha, totp=app.next_code())
        assert entered.status_code == 201
        assert claims_of(json_of(entered)["access_token"])["acr"] == "mfa"

        before = claims_of(asha.tokens["access_token"])
        stepped_up = await asha.http.post("/v1/sessions/step-up", json={"totp": recovery_codes[0]})
        assert stepped_up.status_code == 200, stepped_up.text
        assert set(json_of(stepped_up)) == {"access_token", "token_type", "expires_in"}
        assert "no-store" in stepped_up.headers["cache-control"]
        after = claims_of(json_of(stepped_up)["access_token"])
        assert (before["acr"], after["acr"]) == ("pwd", "mfa")
        assert after["amr"] == ["pwd", "otp", "mfa"]
        assert (before["sid"], before["sub"]) == (after["sid"], after["sub"])
        assert await state(asha) == {"state": "enrolled", "recovery_codes_left": 9}

        for code in (app.next_code(), recovery_codes[0]):
            refused = await asha.http.request("DELETE", "/v1/me/totp", json={"totp": code})
            assert problem_of(refused, [403])["code"] == "step_up_refused"
        removed = await asha.http.request("DELETE", "/v1/me/totp", json={"totp": recovery_codes[1]})
        assert removed.status_code == 204
        assert await state(asha) == {"state": "none", "recovery_codes_left": 0}
        assert (await enter(running, asha)).status_code == 201


async def test_a_wrong_password_gets_the_same_answer_whatever_code_comes_with_it(
    running: Program,
) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        app, _ = await enrol(asha)
        told = []
        for person in (asha, ben):
            for code in (None, app.next_code(), "000000"):
                answer = await enter(running, person, password="another phrase", totp=code)
                problem = problem_of(answer, [401])
                del problem["request_id"]
                told.append((problem, answer.headers["www-authenticate"]))
        assert all(each == told[0] for each in told)
        assert told[0][0]["code"] == "credentials_wrong"
        assert (await enter(running, asha, totp=app.next_code())).status_code == 201


@pytest.mark.slow
async def test_of_twenty_sign_ins_with_one_code_one_succeeds(
    own: Program, figure: Callable[[str], None]
) -> None:
    await own.running(sign_in_rate_per_account="1000/minute", totp_rate_per_account="1000/minute")
    won, rounds = 0, 3
    for _ in range(rounds):
        async with signed_up(own, "Asha") as asha:
            app, _ = await enrol(asha)
            answers = await asyncio.gather(
                *(enter(own, asha, totp=app.next_code()) for _ in range(RACERS))
            )
            statuses = sorted(answer.status_code for answer in answers)
            assert statuses == [201] + [401] * (RACERS - 1)
            won += statuses.count(201)
    figure(f"{won} of {rounds * RACERS} sign-ins in {rounds} races of {RACERS} with one code each")


async def test_a_code_is_read_to_the_letter(running: Program) -> None:
    async with signed_up(running, "Asha") as asha:
        app, _ = await enrol(asha)
        code = app.next_code()
        wide = "".join(chr(0xFF10 + int(digit)) for digit in code)
        for spelling in (f" {code}", f"{code} ", f"{code}\n", f"{code[:3]} {code[3:]}", wide):
            refused = await enter(running, asha, totp=spelling)
            assert problem_of(refused, [400])["errors"][0]["pointer"] == "/totp"
        assert (await enter(running, asha, totp=code)).status_code == 201


async def test_wrong_codes_are_counted_and_the_limit_is_told(running: Program) -> None:
    async with signed_up(running, "Asha") as asha:
        app, _ = await enrol(asha)
        for _ in range(10):
            answer = await asha.http.post("/v1/sessions/step-up", json={"totp": app.wrong_code()})
            problem_of(answer, [403])
        answer = await asha.http.post("/v1/sessions/step-up", json={"totp": app.next_code()})
        problem_of(answer, [429])
        assert 1 <= int(answer.headers["retry-after"]) <= 3600
        assert answer.headers["ratelimit-policy"] == '"totp_rate_per_account";q=10;w=3600'


async def test_a_document_may_demand_a_second_factor_of_who_gives_access_to_it(
    asha: Person,
) -> None:
    demanding = await asha.upload("For few.", approval="mfa")
    assert demanding["approval"] == "mfa"
    assert (await asha.document(demanding["id"]))["approval"] == "mfa"
    assert (await asha.upload("For some."))["approval"] == "pwd"


async def test_access_to_what_demands_a_second_factor_is_given_with_one_alone(
    running: Program,
) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        app, recovery_codes = await enrol(asha)
        document = await asha.upload("For few.", approval="mfa")
        asked = grant_body(document["id"], ben.email)
        wanted = {name: value for name, value in asked.items() if name != "grantee"}
        asking = wanted | {"principal": asha.email}
        request = json_of(await ben.http.post("/v1/consents", json=asking))
        approve = f"/v1/consents/{request['record_id']}/approve"

        for path, body in (("/v1/grants", asked), ("/v1/consents", asked), (approve, None)):
            answer = await asha.http.post(path, json=body)
            assert problem_of(answer, [403])["code"] == "insufficient_user_authentication"
            assert 'acr_values="mfa"' in answer.headers["www-authenticate"]
            wrong = await asha.http.post(path, json=(body or {}) | {"totp": app.wrong_code()})
            assert problem_of(wrong, [403])["code"] == "step_up_refused"
        assert json_of(await asha.http.get("/v1/grants"))["items"] == []

        code, key = app.next_code(), {"Idempotency-Key": "with-a-code"}
        given = [
            await asha.http.post("/v1/grants", json=asked | {"totp": code}, headers=key)
            for _ in range(2)  # the answer to the first may have been lost
        ]
        assert [answer.status_code for answer in given] == [201, 201], given[1].text
        assert given[0].json() == given[1].json()
        again = await asha.http.post(approve, json={"totp": code})
        assert problem_of(again, [403])["code"] == "step_up_refused"
        approved = await asha.http.post(approve, json={"totp": recovery_codes[0]})
        assert approved.status_code == 201, approved.text
        later = (datetime.now(UTC) + timedelta(hours=3)).isoformat()
        renew = f"/v1/consents/{request['record_id']}/renew"
        problem_of(await asha.http.post(renew, json={"expires_at": later}), [403])
        renewed = {"expires_at": later, "totp": recovery_codes[1]}
        assert (await asha.http.post(renew, json=renewed)).status_code == 201


async def test_a_session_with_a_second_factor_needs_no_other(running: Program) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        app, _ = await enrol(asha)
        document = await asha.upload("For few.", approval="mfa")
        raised = await asha.http.post("/v1/sessions/step-up", json={"totp": app.next_code()})
        token = {"Authorization": f"Bearer {json_of(raised)['access_token']}"}
        body = grant_body(document["id"], ben.email)
        assert (await asha.http.post("/v1/grants", json=body, headers=token)).status_code == 201


async def test_a_request_takes_no_second_factor_and_many_are_too_many(own: Program) -> None:
    await own.running(access_request_rate_per_person="2/hour")
    async with signed_up(own, "Asha") as asha, signed_up(own, "Ben") as ben:
        document = await asha.upload("Much asked for.")
        asking = grant_body(document["id"], ben.email) | {"principal": asha.email}
        del asking["grantee"]
        refused = await ben.http.post("/v1/consents", json=asking | {"totp": "123456"})
        assert problem_of(refused, [400])["errors"][0]["pointer"] == "/totp"
        for _ in range(2):
            assert (await ben.http.post("/v1/consents", json=asking)).status_code == 201
        limited = await ben.http.post("/v1/consents", json=asking)
        problem_of(limited, [429])
        assert int(limited.headers["retry-after"]) >= 1
        assert len(json_of(await asha.http.get("/v1/consents"))["items"]) == 2


async def test_what_was_answered_to_a_second_factor_is_reread_with_one_alone(
    running: Program,
) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        document = await asha.ready("The heron nests on the north pier.")
        await asha.grant(document["id"], ben, required_acr="mfa")
        app, _ = await enrol(ben)
        raised = await ben.http.post("/v1/sessions/step-up", json={"totp": app.next_code()})
        sure = {"Authorization": f"Bearer {json_of(raised)['access_token']}"}
        completion = {
            "model": "extractive-1",
            "messages": [{"role": "user", "content": "Where does the heron nest?"}],
            "strongroom": {"purpose": PURPOSE},
        }
        key = {"Idempotency-Key": "once"}

        async def complete(**headers: str) -> httpx2.Response:
            return await ben.http.post(
                "/v1/chat/completions", json=completion, headers=key | headers
            )

        answered = json_of(await complete(**sure))
        answer = answered["choices"][0]["message"]["content"]
        assert "north pier" in answer
        run = f"/v1/runs/{answered['strongroom']['run_id']}"
        chat = answered["strongroom"]["conversation_id"]
        assert json_of(await complete(**sure))["id"] == answered["id"]
        refused = [await complete()]
        for path in ("/events", "/events?after=2", "/manifest", "/bundle"):
            refused.append(await ben.http.get(run + path))
        for each in refused:
            assert problem_of(each, [403])["code"] == "insufficient_user_authentication"
            assert 'acr_values="mfa"' in each.headers["www-authenticate"]
            assert "north pier" not in each.text
        assert json_of(await ben.http.get(run))["state"] == "completed"

        messages = f"/v1/conversations/{chat}/messages"
        for path in (
            messages,
            f"{messages}?branch={json_of(await ben.http.get(run))['answer_id']}",
        ):
            question, hidden = json_of(await ben.http.get(path))["items"]
            assert (question["content"], question["withheld"]) == (
                "Where does the heron nest?",
                None,
            )
            assert (hidden["content"], hidden["withheld"]) == (None, "second_factor")
            _, shown = json_of(await ben.http.get(path, headers=sure))["items"]
            assert (shown["content"], shown["withheld"]) == (answer, None)

        async with opened(running, chat, ben.tokens["access_token"]) as socket:
            resume = {"type": "resume", "run_id": answered["strongroom"]["run_id"]}
            await socket.send(json.dumps(resume))
            _, told = [json.loads(await socket.recv()) for _ in range(2)]
        assert (told["type"], told["problem"]["code"]) == (
            "refused",
            "insufficient_user_authentication",
        )
