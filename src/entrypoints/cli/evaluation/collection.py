"""Collections in the layout of BEIR: documents, queries, and judgements of both.

`corpus.jsonl` has `_id`, `text` and maybe `title` in each line, `queries.jsonl` has `_id` and
`text`; `qrels/test.tsv`, `qrels.tsv`, or else the first `qrels/*.tsv`, has query, document and
relevance in each line, maybe below a heading. (Thakur and others, "BEIR: A Heterogeneous Benchmark
for Zero-shot Evaluation", 2021.) Judgements of TREC are read as well: four columns, the second of
no meaning, parted by spaces. Documents and queries may be packed: `corpus.jsonl.gz`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from entrypoints.cli.evaluation.failure import EvaluationNotPossible

JUDGEMENTS = ("qrels/test.tsv", "qrels.tsv", "qrels/*.tsv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A document of a collection. `title` is empty where it has none."""

    name: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Judged queries and the documents that they were judged against.

    `queries` are those with judgements, by their names; `judged_in` is the file that has these.
    `fingerprint` tells two collections apart that are called alike. `themselves` are queries that
    are a document as well, under the same name: it is no answer to itself, as in BEIR. What was
    judged and is not there is counted: `queries_missing`, and `documents_missing` of the relevant.
    """

    name: str
    fingerprint: str
    documents: Sequence[Source]
    queries: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]
    judged_in: str
    themselves: frozenset[str] = frozenset()
    queries_missing: int = 0
    documents_missing: int = 0

    def answers(self, query: str, ranking: Sequence[str]) -> list[str]:
        """A ranking without the document that the query itself is."""
        return [each for each in ranking if each != query or query not in self.themselves]


def read_collection(directory: Path) -> Collection:
    """Raises EvaluationNotPossible, with the file and the line."""
    judgements_file = next(
        (path for name in JUDGEMENTS for path in sorted(directory.glob(name)) if path.is_file()),
        None,
    )
    if judgements_file is None:
        raise EvaluationNotPossible(f"{directory} has no judgements: {', '.join(JUDGEMENTS)}.")
    files = (
        _perhaps_packed(directory / "corpus.jsonl"),
        _perhaps_packed(directory / "queries.jsonl"),
        judgements_file,
    )
    judgements = _judgements(judgements_file)
    documents = [
        Source(name=name, title=_text(row, "title").strip(), text=_text(row, "text"))
        for name, row in _rows(files[0])
    ]
    queries = {name: _text(row, "text") for name, row in _rows(files[1]) if name in judgements}
    if not documents or not queries:
        raise EvaluationNotPossible(f"{directory} has no documents, or no query that was judged.")
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    names = {each.name for each in documents}
    judged = {query: judgements[query] for query in queries}
    relevant = {name for each in judged.values() for name, degree in each.items() if degree > 0}
    return Collection(
        name=directory.resolve().name,
        fingerprint=digest.hexdigest()[:16],
        documents=documents,
        queries=queries,
        judgements=judged,
        judged_in=str(judgements_file.relative_to(directory)),
        themselves=frozenset(
            each.name for each in documents if _is_query(each, queries, judgements)
        ),
        queries_missing=len(judgements) - len(queries),
        documents_missing=len(relevant - names),
    )


def _is_query(
    document: Source, queries: Mapping[str, str], judgements: Mapping[str, Mapping[str, int]]
) -> bool:
    """Whether one of the queries is this document: called alike, and of the same words. Where both
    are numbered, many are called alike that have nothing in common."""
    query = _plain(queries.get(document.name, ""))
    if not query or judgements[document.name].get(document.name, 0) > 0:
        return False
    text = _plain(document.text)
    return query in {text, _plain(document.title), _plain(f"{document.title} {document.text}")}


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _perhaps_packed(path: Path) -> Path:
    packed = path.with_name(f"{path.name}.gz")
    return packed if packed.is_file() and not path.exists() else path


def _judgements(path: Path) -> dict[str, dict[str, int]]:
    judgements: dict[str, dict[str, int]] = {}
    for place, (number, line) in enumerate(_lines(path)):
        fields = [each.strip() for each in line.split("\t")] if "\t" in line else line.split()
        try:
            relevance = int(float(fields[-1]))
            query, *_, document = fields[:-1]
            if len(fields) > len(("query", "iteration", "document", "relevance")):
                raise ValueError(len(fields))
        except (ValueError, OverflowError):
            if place == 0 and not _is_number(fields[-1]):
                continue  # the heading
            raise EvaluationNotPossible(
                f"{path}:{number}: not a query, a document and a relevance."
            ) from None
        judgements.setdefault(query, {})[document] = relevance
    return judgements


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    met = set()
    for number, line in _lines(path):
        try:
            row = json.loads(line)
            name = str(row["_id"])
        except (ValueError, KeyError, TypeError):
            raise EvaluationNotPossible(
                f"{path}:{number}: not a JSON object with an _id."
            ) from None
        if name in met:
            raise EvaluationNotPossible(f"{path}:{number}: the _id was there before.")
        met.add(name)
        yield name, row


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        said = (isinstance(error, OSError) and error.strerror) or "damaged"
        raise EvaluationNotPossible(f"{path}: {said}.") from None
    except UnicodeDecodeError:
        raise EvaluationNotPossible(f"{path}: not UTF-8.") from None


def _opened(path: Path) -> IO[str]:
    opened: IO[str] = (gzip.open if path.suffix == ".gz" else open)(
        path, "rt", encoding="utf-8-sig"
    )
    return opened


def _text(row: Mapping[str, object], key: str) -> str:
    value = row.get(key)
    return value if isinstance(value, str) else ""
