"""Sets of questions are read as they are, and what is wrong with one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoints.cli.evaluation.chat_questions import BUILT_IN, read_questions
from entrypoints.cli.evaluation.failure import EvaluationNotPossible

LEASE = '{"document": "lease", "title": " The lease ", "text": "The rent is 900 euros."}\n'
RENT = '{"question": "How much is the rent?", "sources": ["lease"], "facts": ["900"]}\n'
UNKNOWN = '{"question": "Who was the first tenant?"}\n'


def _written(directory: Path, content: str, name: str = "set.jsonl") -> Path:
    path = directory / name
    path.write_text(content)
    return path


def test_documents_and_questions_are_read_from_a_file(tmp_path: Path) -> None:
    found = read_questions(_written(tmp_path, LEASE + "\n" + RENT + UNKNOWN, "flat.jsonl"))
    assert found.name == "flat"
    assert [(each.name, each.title) for each in found.documents] == [("lease", "The lease")]
    assert [each.is_answerable for each in found.questions] == [True, False]
    assert found.questions[0].facts == ["900"]


def test_a_directory_is_read_as_one_file(tmp_path: Path) -> None:
    together = read_questions(_written(tmp_path, LEASE + RENT + UNKNOWN)).fingerprint
    parts = tmp_path / "parts"
    parts.mkdir()
    _written(parts, RENT + UNKNOWN, "b.jsonl")
    _written(parts, LEASE, "a.jsonl")
    found = read_questions(parts)
    assert (found.name, found.fingerprint) == ("parts", together)
    _written(parts, LEASE.replace("900", "950"), "a.jsonl")
    assert read_questions(parts).fingerprint != together


def test_the_set_that_comes_along_can_be_asked() -> None:
    found = read_questions(BUILT_IN)
    assert found.name == "harbour"
    texts = {each.name: each.text for each in found.documents}
    for asked in found.questions:
        rest = " ".join(texts[name] for name in asked.sources)
        held = [fact in rest for fact in asked.facts]
        assert any(held) if asked.any_fact else all(held), asked.question
    assert {each.is_answerable for each in found.questions} == {True, False}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LEASE + "{\n", r"set\.jsonl:2: neither a document nor a question"),
        (LEASE + "[]\n", r"set\.jsonl:2: neither"),
        (LEASE + '{"question": "x", "source": []}\n', r"unknown field `source`"),
        (LEASE + '{"question": ""}\n', r"length >= 1"),
        (LEASE + '{"document": "x"}\n', r"required field `text`"),
        (LEASE + LEASE + RENT, r"set\.jsonl:2: the document was there before"),
        (LEASE + RENT + RENT, r"set\.jsonl:3: the question was there before"),
        (LEASE + RENT.replace('"lease"', '"letter"'), r"rests on \['letter'\], which it has not"),
        (LEASE, "has no documents, or no questions"),
        ("", "has no documents, or no questions"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(EvaluationNotPossible, match=said):
        read_questions(_written(tmp_path, content))
