"""What an answer was made from, as its asker has it checked: by a command, with a key."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from hashlib import sha256
from pathlib import Path

from tests.integration.running.people import PURPOSE, Json, Person, json_of, problem_of, signed_up
from tests.integration.running.program import Program, command
from tests.integration.running.test_records import record, until_searchable
from tests.integration.running.test_records import share as share_record

SECONDS_MAX = 20.0


async def ask(person: Person, question: str) -> str:
    """The run that answered; it has ended."""
    begun = json_of(await person.http.post("/v1/conversations", json={}))
    path = f"/v1/conversations/{begun['id']}/messages"
    asked = await person.http.post(path, json={"content": question, "purpose": PURPOSE})
    run_id: str = json_of(asked)["run"]["id"]
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            if json_of(await person.http.get(f"/v1/runs/{run_id}"))["state"] != "running":
                return run_id
            await asyncio.sleep(0.05)


async def bundle_of(person: Person, run_id: str) -> Json:
    """Once what the answer rests on is in the log."""
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            answer = await person.http.get(f"/v1/runs/{run_id}/bundle")
            if answer.status_code == 200:
                assert answer.headers["content-disposition"].startswith("attachment")
                assert answer.headers["cache-control"] == "no-store"
                return json_of(answer)
            assert problem_of(answer, [409])["code"] == "entry_not_integrated"
            await asyncio.sleep(0.1)


async def test_an_answer_is_checked_offline_and_at_the_service(
    running: Program, asha: Person, ben: Person, place: Path
) -> None:
    document = await asha.ready("The heron nests on the north pier. It was seen by Mara Ölsen.")
    grant = await asha.grant(document["id"], ben)
    run_id = await ask(ben, "Where does the heron nest?")
    bundle = await bundle_of(ben, run_id)
    (place / "answer.json").write_text(json.dumps(bundle))
    (place / "key").write_text((await ben.http.get("/v1/audit/key")).text)
    status, said, _ = await command("verify", "answer.json", "--key", "key", directory=place)
    assert status == 0, said
    assert f"rests on document {document['id']}, version 1, bytes 0 to 34" in said
    assert f"under grant {grant['id']}, epoch 1, consent {grant['consent_id']}" in said

    whole = await asha.http.get(f"/v1/documents/{document['id']}/text")
    text, text_key = whole.content, whole.headers["x-text-key"]
    [passage] = bundle["manifest"]["passages"]
    committed = hmac.digest(base64.b64decode(text_key), text, "sha256").hex()
    assert passage["text_commitment"] == committed
    assert text_key not in json.dumps(bundle)
    raw = await asha.http.get(f"/v1/documents/{document['id']}/content")
    assert "x-text-key" not in raw.headers
    for content, expected, words in (
        (text, 0, "stands in the text of document"),
        (text.replace(b"north", b"south"), 1, "[other_text]"),
    ):
        (place / "text").write_bytes(content)
        status, said, _ = await command(
            *("verify", "answer.json", "--key", "key", "--text", f"{document['id']}=text"),
            directory=place,
        )
        assert (status, words in said) == (expected, True), said

    other_key = base64.b64encode(bytes(32)).decode()
    for content, key, expected, words in (
        (text, text_key, 0, "is, to the last byte, the one that version 1 had"),
        # Every passage stands in it, and it is not the document.
        (text + b" It died.", text_key, 1, "[other_whole_text]"),
        (text, other_key, 1, "[other_whole_text]"),
        (text, "AAAA", 2, "32 bytes"),
        (text, "no base64", 2, "in base64"),
    ):
        (place / "text").write_bytes(content)
        status, said, _ = await command(
            *("verify", "answer.json", "--key", "key", "--text", f"{document['id']}=text"),
            *("--text-key", f"{document['id']}={key}"),
            directory=place,
        )
        assert (status, words in said) == (expected, True), said

    token = ben.http.headers["Authorization"].removeprefix("Bearer ")
    status, said, _ = await command(
        *("verify", running.url, "--key", "key", "--run", run_id), directory=place, token=token
    )
    assert status == 0, said
    assert f"rests on document {document['id']}" in said

    withdrawn = await asha.http.post(f"/v1/consents/{grant['consent_id']}/withdraw")
    assert withdrawn.status_code == 200
    for what in ("manifest", "bundle", "events"):
        refused = await ben.http.get(f"/v1/runs/{run_id}/{what}")
        assert problem_of(refused, [403])["code"] == "access_revoked"
    (place / "answer.json").write_text(json.dumps(bundle | {"answer": "Nowhere."}))
    status, said, _ = await command("verify", "answer.json", "--key", "key", directory=place)
    assert (status, "[other_answer]" in said) == (1, True)


async def test_a_few_passages_do_not_confirm_the_rest_of_the_text(
    asha: Person, ben: Person
) -> None:
    """Whoever may only quote gets what stands for the text, and not the key to try guesses with."""
    filler = "Nothing was noted that day, and nobody came.\n\n" * 200
    text = f"The heron nests on the north pier.\n\n{filler}Result of the test: negative."
    document = await asha.ready(text)
    await asha.grant(document["id"], ben, actions=["search", "quote"])
    bundle = await bundle_of(ben, await ask(ben, "Where does the heron nest?"))
    passage = bundle["manifest"]["passages"][0]
    path = f"/v1/documents/{document['id']}/text"
    refused = await ben.http.get(path)
    problem_of(refused, [404])
    assert "x-text-key" not in refused.headers
    own = await asha.http.get(path)
    key = base64.b64decode(own.headers["x-text-key"])
    stands_for = passage["text_commitment"]
    assert stands_for == hmac.digest(key, own.content, "sha256").hex()
    told = json.dumps(bundle)
    for secret in (key.hex(), own.headers["x-text-key"], sha256(own.content).hexdigest()):
        assert secret not in told


async def test_the_key_is_gone_with_the_document(asha: Person) -> None:
    document = await asha.ready("The heron nests on the north pier.")
    path = f"/v1/documents/{document['id']}"
    assert (await asha.http.get(f"{path}/text")).headers["x-text-key"]
    erased = await asha.http.delete(path)
    assert erased.is_success, erased.text
    gone = await asha.http.get(f"{path}/text")
    problem_of(gone, [404])
    assert "x-text-key" not in gone.headers


async def test_a_quoted_field_of_a_record_is_named_and_was_permitted(
    running: Program, place: Path
) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        made = await record(asha)
        await until_searchable(asha, made["id"])
        await share_record(asha, made["id"], ben, ["/visits"])
        bundle = await bundle_of(ben, await ask(ben, "Was a kingfisher splint applied?"))
        (place / "answer.json").write_text(json.dumps(bundle))
        (place / "key").write_text((await ben.http.get("/v1/audit/key")).text)
    status, said, _ = await command("verify", "answer.json", "--key", "key", directory=place)
    assert status == 0, said
    fields = {each["field"] for each in bundle["manifest"]["passages"]}
    assert fields == {"/visits/0/note", "/visits/1/note"}
    assert f"rests on document {made['id']}, version 1, field /visits/" in said
