"""Who leaves takes all that is theirs along: keys, content, chats, and what they shared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import asyncpg

from tests.integration.running.dump import tables
from tests.integration.running.people import (
    PASSWORD,
    PURPOSE,
    Json,
    grant_body,
    json_of,
    signed_up,
)
from tests.integration.running.program import Program, ending

CANARY = "spoonbillheron"


async def _sample(program: Program) -> None:
    """As the database does by itself sooner or later: it keeps values of columns as statistics."""
    connection = await asyncpg.connect(program.database_url)
    try:
        await connection.execute("ANALYZE people, passage_vectors, postings")
    finally:
        await connection.close()


async def _dump(program: Program) -> str:
    """Every column of every table, as a superuser sees it."""
    return b"\n".join((await tables(program)).values()).decode(errors="replace")


async def test_all_that_is_theirs_goes_and_what_others_prove_stays(running: Program) -> None:
    program = running
    async with signed_up(program, "Asha") as asha, signed_up(program, "Ben") as ben:
        theirs = await asha.upload(f"A {CANARY} stood in the reeds.")
        await asha.until_ended(theirs["id"])
        bens = await ben.upload("The tide comes twice a day.")
        await ben.until_ended(bens["id"])
        for giver, document, taker in ((asha, theirs, ben), (ben, bens, asha)):
            given = await giver.http.post(
                "/v1/grants", json=grant_body(document["id"], taker.email)
            )
            assert given.status_code == 201, given.text
        read = f"/v1/documents/{theirs['id']}/text"
        assert (await ben.http.get(read, params={"purpose": PURPOSE})).status_code == 200
        of_ben = f"/v1/documents/{bens['id']}/text"
        assert (await asha.http.get(of_ben, params={"purpose": PURPOSE})).status_code == 200

        await _sample(program)
        assert CANARY in await _dump(program), "else the search below would prove nothing"
        wrong = await asha.http.request("DELETE", "/v1/me", json={"password": "not this one"})
        assert (wrong.status_code, json_of(wrong)["code"]) == (403, "password_wrong")
        assert (await asha.http.get(read)).is_success, "nothing was changed"

        done = await asha.http.request("DELETE", "/v1/me", json={"password": PASSWORD})
        assert done.status_code == 200, done.text
        receipt: Json = json_of(done)
        assert set(receipt["residue"].values()) == {0}
        assert receipt["index_probes"] > 1
        assert receipt["destroyed"]["documents"] == 1
        assert receipt["destroyed"]["subject_keys"] == 1
        assert receipt["kept"]["consent_records"] == 2
        assert receipt["receipt"].count(".") == 2
        dump = await _dump(program)
        assert theirs["id"] in dump, "the log tells that there was something"
        assert [each for each in (CANARY, asha.email) if each in dump] == []

        assert (await ben.http.get(read, params={"purpose": PURPOSE})).status_code == 404
        for path in (of_ben, read):
            answer = await asha.http.get(path, params={"purpose": PURPOSE})
            assert answer.status_code == 401, "a token that is still good opens nothing"
        again = await asha.http.request("DELETE", "/v1/me", json={"password": PASSWORD})
        assert again.status_code == 401
        gone = await asha.http.post(
            "/v1/sessions", json={"email": asha.email, "password": PASSWORD}
        )
        assert gone.status_code == 401
        new = await asha.http.post("/v1/documents", files={"file": ("new.txt", b"Something new.")})
        assert new.status_code == 401, "nor is anything made with it"
        accesses = json_of(await ben.http.get(f"/v1/documents/{bens['id']}/accesses"))["items"]
        assert "Somebody who left" in {each["display_name"] for each in accesses}
        assert json_of(await ben.http.get("/v1/me"))["email"] == ben.email


async def test_a_token_of_somebody_who_left_makes_nothing_at_another_server_either(
    running: Program, places: Callable[[], Path]
) -> None:
    """The other has seen this person before, and did not hear that they left."""
    second = Program(
        places(), data_dir=running.data_dir, database_url=running.database_url, worker="false"
    )
    async with (
        ending(second),
        signed_up(running, "Asha") as asha,
        signed_up(running, "Ben") as ben,
    ):
        bens = await ben.upload("The tide comes twice a day.")
        await second.start()
        file = {"file": ("new.txt", b"Something new.")}
        asked = {**grant_body(bens["id"], asha.email), "principal": ben.email}
        del asked["grantee"]
        makes = {
            "/v1/documents": {"files": file},
            "/v1/conversations": {"json": {"title": "Tides"}},
            "/v1/collections": {"json": {"title": "Tides"}},
            "/v1/consents": {"json": asked},
        }
        async with second.client() as there:
            there.headers["Authorization"] = asha.http.headers["Authorization"]
            for path, body in makes.items():
                assert (await there.post(path, **body)).is_success, path
            left = await asha.http.request("DELETE", "/v1/me", json={"password": PASSWORD})
            assert left.status_code == 200, left.text
            answers = {path: await there.post(path, **body) for path, body in makes.items()}
        assert {path: each.status_code for path, each in answers.items()} == dict.fromkeys(
            makes, 401
        )
