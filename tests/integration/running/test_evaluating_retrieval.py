"""`strongroom eval retrieval`, as its users run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.running.people import Person
from tests.integration.running.program import Program, command

pytestmark = pytest.mark.integration

SUBJECTS = ["cedar", "granite", "copper", "barley", "amber", "basalt"]


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    directory = tmp_path / "six"
    (directory / "qrels").mkdir(parents=True)
    documents = [
        {"_id": each, "title": each.title(), "text": f"All that is known of {each}."}
        for each in SUBJECTS
    ]
    queries = [{"_id": f"q-{each}", "text": f"what is {each}"} for each in SUBJECTS]
    qrels = ["query-id\tcorpus-id\tscore", *(f"q-{each}\t{each}\t1" for each in SUBJECTS)]
    (directory / "corpus.jsonl").write_text("\n".join(map(json.dumps, documents)))
    (directory / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (directory / "qrels" / "test.tsv").write_text("\n".join(qrels))
    return directory


async def test_a_running_server_is_measured_and_left_as_it_was(
    running: Program, asha: Person, place: Path, collection: Path
) -> None:
    documents = await _documents(running)
    for again in (False, True):
        status, told, _ = await command(
            *("eval", "retrieval", str(collection), "--url", running.url),
            directory=place,
            data_dir=place / "data",
        )
        assert status == 0, told
        assert ("no earlier report" in told) is not again
        assert ("rose for 0 queries and fell for 0" in told) is again
    kept = sorted((place / "data" / "evaluations" / "retrieval" / "six").glob("*.json"))
    assert len(kept) == 2
    report = json.loads(kept[-1].read_text())
    assert report["documents_searchable"] == len(SUBJECTS)
    assert report["modes"]["keyword"]["quality"]["mrr_at_10"] == 1.0
    assert report["modes"].keys() == {"hybrid", "keyword", "vector"}
    assert kept[-1].with_suffix(".svg").read_text().startswith("<svg")
    assert await _documents(running) == documents, "what was handed in is erased"


async def test_an_instance_of_its_own_is_measured_and_removed(
    place: Path, built_models: Path, collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "data").mkdir()
    (place / "data" / "models").symlink_to(built_models, target_is_directory=True)
    monkeypatch.setenv("TMPDIR", str(place))
    status, told, _ = await command(
        *("eval", "retrieval", str(collection), "--mode", "keyword"),
        directory=place,
        data_dir=place / "data",
    )
    assert status == 0, told
    assert "nDCG@10" in told
    assert "hybrid" not in told
    assert _left_in(place) == []


async def test_weights_are_learned_from_what_a_server_explains(
    running: Program, asha: Person, place: Path, collection: Path
) -> None:
    documents = await _documents(running)
    status, told, _ = await command(
        *("eval", "weights", str(collection), "--test", str(collection), "--url", running.url),
        directory=place,
        data_dir=place / "data",
    )
    assert status == 0, told
    assert told.count("six") >= 2
    assert "leave the weight as it is" in told, "words and meaning agree about these"
    assert await _documents(running) == documents


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["eval", "retrieval", "."], "has neither qrels.tsv"),
        (["eval", "retrieval", "six", "--url", "http://127.0.0.1:9"], "cannot be reached"),
    ],
)
async def test_what_cannot_be_measured_is_said_in_one_line(
    collection: Path, arguments: list[str], said: str
) -> None:
    status, told, _ = await command(*arguments, directory=collection.parent)
    assert status == 1
    assert told.startswith("strongroom: ")
    assert said in told
    assert "Traceback" not in told


def _left_in(place: Path) -> list[Path]:
    return list(place.glob("strongroom-*"))


async def _documents(program: Program) -> int:
    import asyncpg

    connection = await asyncpg.connect(program.database_url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM documents"))
    finally:
        await connection.close()
