"""What a run may do under the grants of the person who asks: quote what was named."""

from __future__ import annotations

from collections.abc import Sequence

from tests.integration.running.people import PURPOSE, Person, json_of, signed_up
from tests.integration.running.program import Program

TEXT = "# Piers\n\nThe grey heron nests on the north pier of the old harbour.\n"
QUESTION = "Where does the grey heron nest?"


async def cited(person: Person, *, purpose: str = PURPOSE, only: Sequence[str] = ()) -> set[str]:
    """The documents that an answer quotes, once it has ended."""
    begun = json_of(await person.http.post("/v1/conversations", json={}))
    body = {"content": QUESTION, "purpose": purpose}
    if only:
        body["document_ids"] = list(only)  # type: ignore[assignment]
    asked = await person.http.post(f"/v1/conversations/{begun['id']}/messages", json=body)
    assert asked.status_code == 202, asked.text
    run_id = json_of(asked)["run"]["id"]
    events = (await person.http.get(f"/v1/runs/{run_id}/events", timeout=60)).text
    run = json_of(await person.http.get(f"/v1/runs/{run_id}"))
    assert run["state"] == "completed", events
    manifest = json_of(await person.http.get(f"/v1/runs/{run_id}/manifest"))["manifest"]
    return {each["document_id"] for each in manifest["passages"]}


async def test_a_run_quotes_what_was_granted_to_be_quoted_and_nothing_else(
    running: Program,
) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        first, second = await asha.ready(TEXT), await asha.ready(TEXT)
        for each in (first, second):
            await asha.grant(each["id"], ben, actions=["read", "search", "derive", "export"])
        assert await cited(ben) == set()

        for each in (first, second):
            await asha.grant(each["id"], ben, actions=["quote"])
        assert await cited(ben, purpose="care") == set()
        assert await cited(ben) == {first["id"], second["id"]}
        assert await cited(ben, only=[second["id"]]) == {second["id"]}

        for document, times in ((first, 1), (second, 2)):
            told = await asha.http.get(f"/v1/documents/{document['id']}/accesses")
            bens = [each for each in json_of(told)["items"] if each["person_id"] == ben.id]
            assert [each["action"] for each in bens] == ["quote"] * times
