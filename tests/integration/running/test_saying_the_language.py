"""The language of a document: guessed, or said by its owner."""

from __future__ import annotations

from tests.integration.running.people import Person, problem_of

ANY = {"If-Match": "*"}
TEXT = "Die Mieter zahlen für die Häuser eine Kaution, und sie wird ihnen zurückgegeben."


async def test_a_language_is_guessed_shown_and_searched_by(asha: Person) -> None:
    made = await asha.ready(TEXT)
    assert made["language"] == "de"
    assert await _found(asha, "haus") == {made["id"]}
    versions = (await asha.http.get(f"/v1/documents/{made['id']}/versions")).json()
    assert [each["language"] for each in versions["items"]] == ["de"]


async def test_what_the_owner_says_is_shown_at_once_and_kept(asha: Person) -> None:
    made = await asha.upload(TEXT, language="NL")
    assert made["language"] == "nl"
    assert (await asha.until_ended(made["id"]))["language"] == "nl"
    path = f"/v1/documents/{made['id']}/content"
    assert (await asha.http.put(path, content=TEXT, headers=ANY)).status_code == 202
    assert (await asha.until_ended(made["id"]))["language"] == "nl", "it was said before"
    said = await asha.http.put(path, content=TEXT, headers=ANY, params={"language": "de-AT"})
    assert said.status_code == 202
    assert (await asha.until_ended(made["id"]))["language"] == "de-AT"


async def test_what_names_no_language_changes_nothing(asha: Person) -> None:
    made = await asha.ready(TEXT)
    before = await asha.everything()
    for said in ("klingon", "xx", "", "de_DE", "d"):
        answer = await asha.http.put(
            f"/v1/documents/{made['id']}/content",
            content=TEXT,
            headers=ANY,
            params={"language": said},
        )
        problem = problem_of(answer, [400])
        assert [each["pointer"] for each in problem["errors"]] == ["/query/language"], said
    assert await asha.everything() == before


async def _found(person: Person, query: str) -> set[str]:
    answer = await person.http.post("/v1/search", json={"query": query, "mode": "keyword"})
    return {item["document_id"] for item in answer.json()["items"]}
