"""`strongroom eval chat`, as its users run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.running.evaluations import evaluated_twice, left_in
from tests.integration.running.program import Program, command

pytestmark = pytest.mark.integration

LINES = [
    {"document": "pier", "text": "The heron nests on the north pier since 1998."},
    {"document": "boat", "title": "The boat", "text": "The boat of Mara Olsen is called Tern."},
    {"question": "Where does the heron nest?", "sources": ["pier"], "facts": ["north pier"]},
    {"question": "What is the boat of Mara called?", "sources": ["boat"], "facts": ["tern"]},
    {"question": "Which planet has the most moons?"},
]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "pier.jsonl"
    path.write_text("\n".join(map(json.dumps, LINES)))
    return path


async def test_a_running_server_is_asked_and_left_as_it_was(
    running: Program, place: Path, questions: Path
) -> None:
    report = await evaluated_twice(
        running,
        place,
        "chat",
        questions,
        unchanged="0 questions were answered better and 0 worse",
    )
    assert report["model"] == "extractive-1"
    assert (report["documents_searchable"], report["not_completed"]) == (2, 0)
    assert report["quality"] == {
        "citation_precision": 1.0,
        "citation_recall": 1.0,
        "groundedness": 1.0,
        "facts": 1.0,
        "refusal": 1.0,
    }
    assert 0 < report["latency"]["first_token_p50_ms"] <= report["latency"]["whole_p50_ms"]


@pytest.mark.slow
async def test_the_set_that_comes_along_is_asked_of_an_instance_of_its_own(
    place: Path, built_models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "data").mkdir()
    (place / "data" / "models").symlink_to(built_models, target_is_directory=True)
    monkeypatch.setenv("TMPDIR", str(place))
    status, told, _ = await command("eval", "chat", directory=place, data_dir=place / "data")
    assert status == 0, told
    assert "harbour: 24 questions by extractive-1" in told
    [kept] = (place / "data" / "evaluations" / "chat" / "harbour").glob("*.json")
    quality = json.loads(kept.read_text())["quality"]
    assert quality["groundedness"] == 1.0  # it quotes
    assert min(quality.values()) > 0.8, quality
    assert left_in(place) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["eval", "chat", "."], "has no documents, or no questions"),
        (["eval", "chat", "pier.jsonl", "--url", "http://127.0.0.1:9"], "cannot be reached"),
    ],
)
async def test_what_cannot_be_asked_is_said_in_one_line(
    questions: Path, arguments: list[str], said: str
) -> None:
    directory = questions.parent if "pier.jsonl" in arguments else questions.parent / "empty"
    directory.mkdir(exist_ok=True)
    status, told, _ = await command(*arguments, directory=directory)
    assert status == 1
    assert told.startswith("strongroom: ")
    assert said in told
    assert "Traceback" not in told
