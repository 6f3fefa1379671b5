"""Sets of questions: documents, what is asked about them, and what a good answer rests on and says.

A set is a file of JSON lines, or a directory of such files, read in the order of their names. Each
line is a document or a question:

    {"document": "lease", "title": "The lease", "text": "The rent is 900 euros. ..."}
    {"question": "How much is the rent?", "sources": ["lease"], "facts": ["900 euros"]}
    {"question": "Who was the first tenant?"}

`sources` are documents; a question without any has no answer here, and is to be refused. `facts`
are words that a right answer contains, all of them, or with `"any_fact": true` at least one.
`title`, `sources` and `facts` may be left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from domain.chat.question import CHARACTERS_MAX
from entrypoints.cli.evaluation.collection import Source
from entrypoints.cli.evaluation.failure import EvaluationNotPossible

BUILT_IN = Path(__file__).with_name("questions") / "harbour.jsonl"

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Words = Annotated[str, Meta(min_length=1)]


class Asked(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A question, what it should rest on, and what its answer should say."""

    question: Annotated[str, Meta(min_length=1, max_length=CHARACTERS_MAX)]
    sources: list[Name] = []
    facts: list[Words] = []
    any_fact: bool = False

    @property
    def is_answerable(self) -> bool:
        return bool(self.sources)


class _Document(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    document: Name
    text: Words
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionSet:
    """`fingerprint` tells two sets apart that are called alike."""

    name: str
    fingerprint: str
    documents: Sequence[Source]
    questions: Sequence[Asked]


def read_questions(path: Path) -> QuestionSet:
    """Raises EvaluationNotPossible, with the file and the line."""
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    documents: dict[str, Source] = {}
    questions: dict[str, Asked] = {}
    digest = hashlib.sha256()
    for where, line in _lines(files):
        digest.update(line.rstrip() + b"\n")
        read = _read(where, line)
        if isinstance(read, Asked):
            _assert_new(read.question in questions, where, "question")
            questions[read.question] = read
        else:
            _assert_new(read.document in documents, where, "document")
            documents[read.document] = Source(
                name=read.document, title=read.title.strip(), text=read.text
            )
    if not documents or not questions:
        raise EvaluationNotPossible(f"{path} has no documents, or no questions.")
    for asked in questions.values():
        unknown = set(asked.sources) - documents.keys()
        if unknown:
            raise EvaluationNotPossible(
                f"{path}: {asked.question!r} rests on {sorted(unknown)}, which it has not."
            )
    return QuestionSet(
        name=path.resolve().stem,
        fingerprint=digest.hexdigest()[:16],
        documents=list(documents.values()),
        questions=list(questions.values()),
    )


def _read(where: str, line: bytes) -> Asked | _Document:
    try:
        if "question" in msgspec.json.decode(line, type=dict):
            return msgspec.json.decode(line, type=Asked)
        return msgspec.json.decode(line, type=_Document)
    except msgspec.DecodeError as error:
        said = f"{where}: neither a document nor a question: {error}."
        raise EvaluationNotPossible(said) from None


def _assert_new(met: bool, where: str, what: str) -> None:
    if met:
        raise EvaluationNotPossible(f"{where}: the {what} was there before.")


def _lines(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise EvaluationNotPossible(f"{file}: {error.strerror}.") from None
        for number, line in enumerate(content.splitlines(), start=1):
            if line.strip():
                yield f"{file}:{number}", line
