"""`strongroom eval retrieval`, as its users run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.running.evaluations import documents_in, evaluated_twice, left_in
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
    report = await evaluated_twice(
        running, place, "retrieval", collection, unchanged="rose for 0 queries and fell for 0"
    )
    assert report["documents_searchable"] == len(SUBJECTS)
    assert report["modes"]["keyword"]["quality"]["mrr_at_10"] == 1.0
    assert report["modes"].keys() == {"hybrid", "keyword", "vector"}


async def test_what_cannot_be_taken_or_asked_is_counted_and_the_rest_is_measured(
    running: Program, asha: Person, place: Path, collection: Path
) -> None:
    hard = [
        {"_id": "control", "text": "Nothing\x00 is \x07 known of\ud800 quartz."},
        {"_id": "broken", "text": "%PDF-1.7 and no more than that"},
    ]
    asked = [
        {"_id": "q-control", "text": "what is\x00 quartz"},
        {"_id": "q-empty", "text": " \x01"},
    ]
    for name, rows in (("corpus", hard), ("queries", asked)):
        with (collection / f"{name}.jsonl").open("a") as file:
            file.write("".join(f"\n{json.dumps(row)}" for row in rows))
    with (collection / "qrels" / "test.tsv").open("a") as file:
        file.write("\nq-control\tcontrol\t1.0\nq-empty\tcontrol\t1")
    status, told, _ = await command(
        *("eval", "retrieval", str(collection), "--mode", "keyword", "--url", running.url),
        directory=place,
        data_dir=place / "data",
    )
    assert status == 0, told
    assert "Traceback" not in told
    assert "1 queries were refused by keyword" in told
    assert "Judgements: qrels/test.tsv." in told
    (kept,) = (place / "data" / "evaluations" / "retrieval" / "six").glob("*.json")
    report = json.loads(kept.read_text())
    assert report["documents"] == len(SUBJECTS) + 2
    assert report["documents_searchable"] == len(SUBJECTS) + 1
    mode = report["modes"]["keyword"]
    assert mode["refused"] == mode["without_answer"] == 1
    assert mode["ndcg_by_query"]["q-control"] == 1.0
    assert mode["ndcg_by_query"]["q-empty"] == 0.0


@pytest.mark.slow
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
    assert left_in(place) == []


async def test_weights_are_learned_from_what_a_server_explains(
    running: Program, asha: Person, place: Path, collection: Path
) -> None:
    documents = await documents_in(running)
    status, told, _ = await command(
        *("eval", "weights", str(collection), "--test", str(collection), "--url", running.url),
        directory=place,
        data_dir=place / "data",
    )
    assert status == 0, told
    assert told.count("six") >= 2
    assert "leave the weight as it is" in told, "words and meaning agree about these"
    assert await documents_in(running) == documents


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["eval", "retrieval", "."], "has no judgements: qrels/test.tsv"),
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
