"""What was erased is nowhere any more: canaries in everything, searched for everywhere.

Aside are the database's files under its tables, and its log ahead of them: a row that was deleted
lies there until it is vacuumed and its segment reused, sealed but for the words of an open index.
Backups are aside for the same reason; the receipt tells until when.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from uuid import uuid4

import asyncpg
import psutil
import pytest

from tests.integration.canaries import canary as new_canary
from tests.integration.running.dump import counts, files, hits, tables
from tests.integration.running.people import PURPOSE, Json, Person, json_of, signed_up
from tests.integration.running.program import Program, ending
from tests.integration.running.test_records import until_searchable

KEPT = {
    "endings",  # ids of what must not come back
    "audit_bodies", "audit_checkpoints", "audit_events", "audit_leaves", "audit_nodes",
    "audit_failures", "audit_numbers", "audit_openings", "audit_resources",
    "audit_takes",  # that it happened
    "consents", "consent_events", "consent_receipts", "grants", "notices",  # what was agreed to
    "pgqueuer_log",  # that there were jobs
    "usage_ledger", "spending",  # what answers took, in numbers
    "schemas", "schema_versions",  # what records look like, which is nobody's content
}  # fmt: skip
"""Tables that may have more rows afterwards than before all of it."""


SEALED = (
    ("data_keys", "wrapped", "resource_id = ANY($1)"),
    ("audit_openings", "salt", "document_id = ANY($1)"),
    ("audit_openings", "sealed_evidence", "document_id = ANY($1)"),
    ("documents", "sealed_metadata", "id = ANY($1)"),
    ("passages", "sealed_text", "document_id = ANY($1)"),
    ("sealed_index", "sealed_entries", "document_id = ANY($1)"),
    ("collections", "sealed_title", "id = ANY($1)"),
    ("conversations", "sealed_title", "id = ANY($1)"),
    ("messages", "sealed_content", "conversation_id = ANY($1)"),
    ("run_events", "sealed_data",
     "run_id IN (SELECT id FROM runs WHERE conversation_id = ANY($1))"),
    ("blob_parts", "bytes", "start = 0 AND blob_id IN (SELECT unnest(ARRAY[content_blob_id,"
     " text_blob_id]) FROM versions WHERE document_id = ANY($1))"),
)  # fmt: skip
"""Where the things lie, sealed, and what opens them."""


def _word(place: str) -> str:
    """One word, so that it is a lexeme of its own, too."""
    return new_canary(f"{place}okapi".replace(" ", ""))


@dataclass
class Story:
    """A program in which things with canaries were used, and then erased."""

    program: Program
    canaries: dict[str, str]
    sealed: dict[str, str] = field(default_factory=dict)
    before: dict[str, int] = field(default_factory=dict)
    in_use: dict[str, bytes] = field(default_factory=dict)
    shown: str = ""
    found_afterwards: list[Json] = field(default_factory=list)
    receipts: list[Json] = field(default_factory=list)
    quoted: Json = field(default_factory=dict)


@pytest.fixture(scope="module")
async def story(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Story]:
    canaries = {
        each: _word(each)
        for each in (
            "content", "changed content", "title", "filename", "metadata", "record field",
            "record title", "changed field", "question", "conversation", "collection", "query",
            "sealed content", "sealed title",
        )
    }  # fmt: skip
    program = Program(places(), models=built_models, log_level="debug")
    async with ending(program):
        await program.start()
        story = Story(program, canaries)
        async with signed_up(program, "Asha") as asha, signed_up(program, "Ben") as ben:
            await _play(story, asha, ben)
            yield story


async def _play(story: Story, asha: Person, ben: Person) -> None:
    for person in (asha, ben):  # what each needs once: keys, of which there is one for a person
        await _erase(person, "documents", (await person.ready("Something first."))["id"])
    story.before = await counts(story.program)
    things = await _use(story, asha, ben)
    story.sealed = await _sealed(story.program, [thing for _, thing in things])
    story.in_use = await tables(story.program)
    conversation = things[-1][1]
    for kind, thing in things:
        if answer := await _erase(asha, kind, thing):
            story.receipts.append(answer)
        if kind == "documents":
            path = f"/v1/conversations/{conversation}/messages"
            story.quoted = json_of(await asha.http.get(path))["items"][-1]
    for canary in story.canaries.values():
        for mode in ("keyword", "hybrid"):
            body = {"query": canary, "mode": mode}
            story.found_afterwards += json_of(await asha.http.post("/v1/search", json=body))[
                "items"
            ]


async def _use(story: Story, asha: Person, ben: Person) -> list[tuple[str, str]]:
    """What there is to erase afterwards; everything was shown once, to Asha or to Ben."""
    told = story.canaries
    document = await asha.ready(
        f"The {told['content']} stood in the reeds all day long.",
        filename=f"{told['filename']}.txt",
        title=told["title"],
        metadata=json.dumps({"place": told["metadata"]}),
    )
    path = f"/v1/documents/{document['id']}"
    changed = f"The {told['content']} and the {told['changed content']} stood in the reeds."
    headers = {"If-Match": '"1"'}
    put = await asha.http.put(f"{path}/content", content=changed.encode(), headers=headers)
    assert put.status_code == 202, put.text
    await asha.until_ended(document["id"])
    record = await _record(story, asha)
    await asha.grant(document["id"], ben)
    shown = [await asha.http.get(path), await asha.http.get(f"/v1/records/{record}")]
    shown += [await ben.http.get(f"{path}/{part}", params={"purpose": PURPOSE})
              for part in ("content", "text")]  # fmt: skip
    made = await asha.http.post("/v1/collections", json={"title": told["collection"]})
    collection = json_of(made)["id"]
    for each in (document["id"], record):
        await asha.http.put(f"/v1/collections/{collection}/items/{each}")
    search = {"query": f"{told['query']} {told['content']}", "mode": "keyword"}
    shown += [made, await asha.http.post("/v1/search", json=search)]
    sealed = await asha.ready(
        f"The {told['sealed content']} hid in the reeds.",
        title=told["sealed title"],
        index_mode="sealed",
    )
    hidden = {"query": f"{told['query']} {told['sealed content']}", "mode": "keyword"}
    shown.append(await asha.http.post("/v1/search", json=hidden))
    conversation = await _chat(story, asha, shown)
    story.shown = "\n".join(each.text for each in shown)
    return [
        ("documents", sealed["id"]), ("documents", document["id"]), ("records", record),
        ("collections", collection),
        ("conversations", conversation),
    ]  # fmt: skip


async def _record(story: Story, asha: Person) -> str:
    told, name = story.canaries, f"s{uuid4().hex}"
    await asha.http.put(f"/v1/schemas/{name}", json={"type": "object"})
    body = {
        "schema": name,
        "title": told["record title"],
        "data": {"diagnosis": f"A {told['record field']} of the wing.", "note": "Nothing."},
    }
    record = json_of(await asha.http.post("/v1/records", json=body))["id"]
    await until_searchable(asha, record)
    headers = {"If-Match": '"1"', "Content-Type": "application/merge-patch+json"}
    patch = {"note": told["changed field"]}
    changed = await asha.http.patch(f"/v1/records/{record}", json=patch, headers=headers)
    assert changed.status_code == 200, changed.text
    await until_searchable(asha, record, version=2)
    return str(record)


async def _chat(story: Story, asha: Person, shown: list[object]) -> str:
    told = story.canaries
    begun = await asha.http.post("/v1/conversations", json={"title": told["conversation"]})
    conversation = json_of(begun)["id"]
    path = f"/v1/conversations/{conversation}/messages"
    content = f"Which {told['content']} stood in the reeds, {told['question']}?"
    asked = await asha.http.post(path, json={"content": content})
    run = json_of(asked)["run"]["id"]
    events = await asha.http.get(f"/v1/runs/{run}/events")
    assert "event: citation" in events.text, "the answer quotes the document"
    shown += [begun, asked, events, await asha.http.get(path)]
    return str(conversation)


async def _erase(person: Person, kind: str, thing: str) -> Json | None:
    answer = await person.http.delete(f"/v1/{kind}/{thing}")
    assert answer.status_code in (200, 204), answer.text
    return json_of(answer) if "destroyed" in answer.text else None


async def _sealed(program: Program, things: list[str]) -> dict[str, str]:
    """The beginnings of what these things are wrapped, sealed and committed to with, in hex.

    Analyzes on the way, as the database does by itself sooner or later: it keeps samples then.
    """
    connection = await asyncpg.connect(program.database_url)
    try:
        await connection.execute("ANALYZE")
        return {
            f"{column} of {table}, {number}": row["begins"]
            for table, column, of in SEALED
            for number, row in enumerate(
                await connection.fetch(
                    f"SELECT encode(substr({column}, 1, 20), 'hex') AS begins FROM {table}"
                    f" WHERE {of} AND {column} IS NOT NULL",
                    things,
                )
            )
        }
    finally:
        await connection.close()


def test_everything_was_there_and_shown(story: Story) -> None:
    missing = {name for name, canary in story.canaries.items() if canary not in story.shown}
    assert missing <= {"query"}, "who searches is not told what was searched for"


def test_while_it_was_there_only_the_open_index_had_words_of_it_in_the_clear(
    story: Story,
) -> None:
    in_the_clear = {each.split(" in ")[1] for each in hits(story.in_use, story.canaries)}
    assert "public.postings" in in_the_clear, "else the search below would prove nothing"
    assert in_the_clear == {"public.postings"}


async def test_no_table_of_any_schema_holds_it(story: Story, figure: Callable[[str], None]) -> None:
    dump = await tables(story.program)
    found = hits(dump, story.canaries)
    figure(f"{len(found)} hits of {len(story.canaries)} canaries in {len(dump)} tables")
    assert len(dump) > 60
    assert found == []


async def test_there_are_no_more_rows_than_before_it_came(story: Story) -> None:
    """But for those that tell that there was something."""
    async with asyncio.timeout(20):
        while True:
            after = await counts(story.program)
            more = {each: after[each] - story.before.get(each, 0) for each in after}
            grown = {each: rows for each, rows in more.items() if rows > 0 and each not in KEPT}
            if not grown:
                return
            await asyncio.sleep(0.2)


async def test_nothing_that_it_was_sealed_with_is_left(
    story: Story, figure: Callable[[str], None]
) -> None:
    """Wrapped keys, salts and ciphertext: not in tables, and not in what was sampled of them."""
    assert len(hits(story.in_use, story.sealed)) >= len(story.sealed) > 50
    found = hits(await tables(story.program), story.sealed)
    figure(f"{len(found)} hits of {len(story.sealed)} wrapped keys, salts and sealed values")
    assert found == []


def test_receipts_say_so(story: Story) -> None:
    assert len(story.receipts) == 3
    for each in story.receipts:
        assert set(each["residue"].values()) == {0}
        assert each["destroyed"]["keys"] >= 3


def test_searching_finds_nothing_of_it_and_the_answer_that_quoted_it_is_gone(
    story: Story,
) -> None:
    assert story.found_afterwards == []
    assert (story.quoted["content"], story.quoted["tombstone"]) == (None, "document_erased")


async def test_no_log_no_cache_and_no_file_holds_it(
    story: Story, figure: Callable[[str], None]
) -> None:
    searched = await asyncio.to_thread(_files_of, story.program)
    async with story.program.client() as http:
        searched["metrics"] = (await http.get("/metrics")).content
    found = hits(searched, story.canaries)
    figure(f"{len(found)} hits of {len(story.canaries)} canaries in {len(searched)} files")
    assert found == []


def _files_of(program: Program) -> dict[str, bytes]:
    """In the data directory, open in its processes, and among the temporary files since then."""
    server = psutil.Process(program.pid)
    opened = {
        each.path
        for process in (server, *server.children(recursive=True))
        for each in process.open_files()
        if "postgres" not in process.name()
    }
    searched = files(program.data_dir, without={"postgres", "models"})
    searched["what it said"] = program.said.encode()
    searched |= {each: Path(each).read_bytes() for each in opened if Path(each).is_file()}
    for path in Path(gettempdir()).glob("strongroom-*"):
        if path.is_dir() and path.stat().st_mtime >= server.create_time():
            searched |= files(path, without={"postgres", "models", "data"})
    return searched
