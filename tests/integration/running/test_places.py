"""Where in its file a passage is: in search, in citations, and in the description of the API."""

from __future__ import annotations

import json
from email.message import EmailMessage
from typing import Any

import pytest

from adapters.extraction.sample_sheets import ods_of, xlsx_of
from adapters.extraction.samples import pdf_of
from tests.integration.running.people import Json, Person, json_of
from tests.integration.running.program import Program

PLACE = ("page", "sheet", "row", "pointer", "part")
_ROWS = [
    ["Item", "Colour", "Price"],
    *[[f"Chair of kind {number}", "oak", str(number)] for number in range(2, 60)],
    ["Lighthouse lamp", "vermilion", "4711"],
]


def _mail() -> bytes:
    message = EmailMessage()
    message["From"], message["Date"] = "a@example.org", "Tue, 03 Feb 2026 10:00:00 +0100"
    message["Subject"] = "Enclosed"
    message.set_content("See the enclosed list.")
    attached = xlsx_of({"Harbour": _ROWS})
    message.add_attachment(attached, "application", "octet-stream", filename="list.xlsx")
    return message.as_bytes()


_RECORDS = [dict(zip(_ROWS[0], row, strict=True)) for row in _ROWS[1:]]
FILES: dict[str, tuple[bytes, str, Json]] = {
    "prices.xlsx": (
        xlsx_of({"Inland": [["a", "b"]], "Harbour": _ROWS}),
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        {"sheet": "Harbour", "row": 60},
    ),
    "prices.ods": (
        ods_of({"Harbour": _ROWS}),
        "application/vnd.oasis.opendocument.spreadsheet",
        {"sheet": "Harbour", "row": 60},
    ),
    "prices.csv": (
        "\n".join(",".join(row) for row in _ROWS).encode(),
        "text/csv",
        {"row": 60},
    ),
    "prices.json": (
        json.dumps({"prices": _RECORDS}).encode(),
        "application/json",
        {"pointer": "/prices/58"},
    ),
    "prices.jsonl": (
        "\n".join(map(json.dumps, _RECORDS)).encode(),
        "application/x-ndjson",
        {"row": 59, "pointer": ""},
    ),
    "prices.eml": (_mail(), "message/rfc822", {"sheet": "Harbour", "row": 60, "part": "2"}),
    "prices.pdf": (
        pdf_of([["Chairs are on this page."], ["The lighthouse lamp is vermilion, at 4711."]]),
        "application/pdf",
        {"page": 2},
    ),
}


@pytest.mark.parametrize("name", FILES)
async def test_a_citation_names_the_very_place_and_a_hit_where_its_passage_begins(
    asha: Person, name: str
) -> None:
    content, media_type, place = FILES[name]
    document = await asha.ready(content, filename=name, title=name)
    assert document["media_type"] == media_type
    only = {"document_ids": [document["id"]]}
    body = {"query": "vermilion lighthouse lamp", "filters": only}
    found = await asha.http.post("/v1/search", json=body)
    assert found.status_code == 200, found.text
    hit = next(each for each in found.json()["items"] if "vermilion" in each["text"])
    begins = _place_of(hit)
    assert begins.keys() == place.keys()
    assert all(begins[each] == place[each] for each in place if each in ("sheet", "part"))

    citation = await _citation(asha, document["id"])
    assert citation["verified"]
    assert _place_of(citation) == place
    text = (await asha.http.get(f"/v1/documents/{document['id']}/text")).content
    assert text[citation["start"] : citation["end"]].decode() == citation["quote"]


async def test_the_description_of_the_api_names_every_place(running: Program) -> None:
    async with running.client() as http:
        described = json_of(await http.get("/openapi.json"))
    hit = described["components"]["schemas"]["HitShown"]
    assert set(PLACE) <= set(hit["properties"])
    assert not set(PLACE) & set(hit["required"])


async def _citation(person: Person, document_id: str) -> Json:
    """The first one that quotes the row, of an answer about one document."""
    made = await person.http.post("/v1/conversations", json={})
    path = f"/v1/conversations/{json_of(made)['id']}/messages"
    asked: dict[str, Any] = {
        "content": "What is the colour of the lighthouse lamp, vermilion?",
        "document_ids": [document_id],
    }
    answer = await person.http.post(path, json=asked, headers={"Accept": "text/event-stream"})
    assert answer.status_code == 200, answer.text
    told = [
        json.loads(line.removeprefix("data: "))
        for event in answer.text.split("\n\n")
        if "event: citation" in event
        for line in event.split("\n")
        if line.startswith("data: ")
    ]
    return next(each for each in told if "vermilion" in each["quote"])


def _place_of(shown: Json) -> Json:
    return {name: shown[name] for name in PLACE if name in shown}
