"""Reading and exporting are two things: a grant permits the one, the other, or both."""

from __future__ import annotations

from tests.integration.running.people import PURPOSE, json_of, problem_of, signed_up
from tests.integration.running.program import Program
from tests.integration.running.test_links import holder, link, redeem
from tests.integration.running.test_records import record

FOR_PURPOSE = {"purpose": PURPOSE}
EXPORT = FOR_PURPOSE | {"action": "export"}


async def test_what_was_granted_to_export_is_exported_and_not_read(running: Program) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        document = await asha.ready("A heron to take along.", index_mode="none")
        path = f"/v1/documents/{document['id']}"
        granted = await asha.grant(document["id"], ben, actions=["export"])
        for part in ("content", "text"):
            problem_of(await ben.http.get(f"{path}/{part}", params=FOR_PURPOSE), [404])
            taken = await ben.http.get(f"{path}/{part}", params=EXPORT)
            assert (taken.status_code, taken.text) == (200, "A heron to take along.")
        own = await asha.http.get(f"{path}/content", params={"action": "export"})
        assert own.status_code == 200
        accesses = json_of(await asha.http.get(f"{path}/accesses"))["items"]
        told = [(each["action"], each["grant_id"]) for each in accesses]
        # Its text was taken out of it in its owner's name.
        assert [each for each in told if each != ("derive", None)] == [
            ("export", granted["id"]),
            ("export", granted["id"]),
            ("export", None),
        ]
        wrong = await ben.http.get(f"{path}/content", params=FOR_PURPOSE | {"action": "share"})
        assert problem_of(wrong, [400])["errors"][0]["pointer"] == "/query/action"


async def test_what_was_granted_to_read_is_not_exported(running: Program) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        document = await asha.ready("A heron to look at.", index_mode="none")
        await asha.grant(document["id"], ben, actions=["read"])
        path = f"/v1/documents/{document['id']}/content"
        problem_of(await ben.http.get(path, params=EXPORT), [404])
        assert (await ben.http.get(path, params=FOR_PURPOSE)).status_code == 200


async def test_a_link_to_export_fields_of_a_record(running: Program) -> None:
    async with signed_up(running, "Asha") as asha:
        made = await record(asha, index_mode="none")
        resource = {"kind": "record", "id": made["id"]}
        shared = await link(
            asha, made["id"], resource=resource, fields=["/name", "/weight"], actions=["export"]
        )
        async with holder(running, await redeem(running, shared["token"])) as http:
            path = f"/v1/records/{made['id']}"
            problem_of(await http.get(path, params=FOR_PURPOSE), [404])
            taken = json_of(await http.get(path, params=EXPORT | {"fields": "/name,/secret"}))
            assert taken["data"] == {"name": "Canary Rao"}
