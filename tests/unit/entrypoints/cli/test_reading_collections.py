"""Collections in the layout of BEIR are read as they are, and what is wrong is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from entrypoints.cli.evaluation.collection import read_collection
from entrypoints.cli.evaluation.failure import EvaluationNotPossible

CORPUS = '{"_id": "a", "title": " A ", "text": "Of apples."}\n\n{"_id": 7, "text": "Of pears."}\n'
QUERIES = '{"_id": "q1", "text": "apples?"}\n{"_id": "q2", "text": "never judged"}\n'
QRELS = "query-id\tcorpus-id\tscore\nq1\ta\t2\r\nq1\t7\t0\n"


def _written(directory: Path, **files: str) -> Path:
    (directory / "qrels").mkdir()
    given = {"corpus": CORPUS, "queries": QUERIES, "qrels": QRELS} | files
    (directory / "corpus.jsonl").write_text(given["corpus"])
    (directory / "queries.jsonl").write_text(given["queries"])
    (directory / given.get("judgements", "qrels.tsv")).write_text(given["qrels"])
    return directory


@pytest.mark.parametrize("judgements", ["qrels.tsv", "qrels/test.tsv", "qrels/dev.tsv"])
def test_documents_and_the_queries_that_were_judged(tmp_path: Path, judgements: str) -> None:
    collection = read_collection(_written(tmp_path, judgements=judgements))
    assert [(each.name, each.title) for each in collection.documents] == [("a", "A"), ("7", "")]
    assert collection.queries == {"q1": "apples?"}
    assert collection.judgements == {"q1": {"a": 2, "7": 0}}
    assert collection.judged_in == judgements


def test_the_judgements_for_testing_come_before_others(tmp_path: Path) -> None:
    directory = _written(tmp_path, judgements="qrels/dev.tsv")
    (directory / "qrels" / "test.tsv").write_text("q1\ta\t1\n")
    assert read_collection(directory).judged_in == "qrels/test.tsv"


@pytest.mark.parametrize(
    "qrels",
    [
        "q1\ta\t2\nq1\t7\t0\n",
        "q1 0 a 2\nq1 0 7 0\n",
        "q1\t0\ta\t2.0\nq1\tQ0\t7\t0.0\n",
        "\n\n" + QRELS,
        "\ufeff" + QRELS,
        "\ufeffq1 a 2\nq1  7  0",
    ],
)
def test_judgements_are_read_in_the_forms_that_people_keep_them_in(
    tmp_path: Path, qrels: str
) -> None:
    assert read_collection(_written(tmp_path, qrels=qrels)).judgements == {"q1": {"a": 2, "7": 0}}


def test_a_mark_at_the_beginning_of_a_file_is_no_part_of_it(tmp_path: Path) -> None:
    marked = {"corpus": "\ufeff" + CORPUS, "queries": "\ufeff" + QUERIES}
    assert read_collection(_written(tmp_path, **marked)).queries == {"q1": "apples?"}


def test_a_packed_collection_is_the_same(tmp_path: Path) -> None:
    _written(tmp_path)
    for name in ("corpus.jsonl", "queries.jsonl"):
        plain = tmp_path / name
        plain.with_name(f"{name}.gz").write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    collection = read_collection(tmp_path)
    assert [each.name for each in collection.documents] == ["a", "7"]
    assert collection.queries == {"q1": "apples?"}
    packed = tmp_path / "corpus.jsonl.gz"
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(EvaluationNotPossible, match=r"corpus\.jsonl\.gz: damaged"):
        read_collection(tmp_path)


def test_a_document_is_no_answer_to_itself_and_one_of_the_same_number_is(tmp_path: Path) -> None:
    corpus = (
        '{"_id": "a", "title": "A", "text": "Of  apples."}\n{"_id": "7", "text": "Of pears."}\n'
        '{"_id": "b", "text": "Of plums."}\n'
    )
    queries = (
        '{"_id": "a", "text": "of apples. "}\n{"_id": "7", "text": "apples?"}\n'
        '{"_id": "b", "text": "Of plums."}\n'
    )
    qrels = "a\t7\t1\n7\ta\t1\nb\tb\t1\n"
    collection = read_collection(_written(tmp_path, corpus=corpus, queries=queries, qrels=qrels))
    assert collection.themselves == {"a"}, "b was judged to be one"
    assert collection.answers("a", ["a", "7"]) == ["7"]
    assert collection.answers("7", ["7", "a"]) == ["7", "a"]
    assert collection.answers("b", ["b"]) == ["b"]


def test_what_was_judged_and_is_not_there_is_counted(tmp_path: Path) -> None:
    qrels = "q1\ta\t1\nq1\tgone\t1\nq1\tforgotten\t0\nq8\ta\t1\nq9\ta\t1\n"
    collection = read_collection(_written(tmp_path, qrels=qrels))
    assert (collection.queries_missing, collection.documents_missing) == (2, 1)


def test_another_content_has_another_fingerprint(tmp_path: Path) -> None:
    before = read_collection(_written(tmp_path)).fingerprint
    (tmp_path / "qrels.tsv").write_text(QRELS.replace("\t2", "\t1"))
    assert read_collection(tmp_path).fingerprint != before


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"corpus": CORPUS + "{\n"}, "corpus.jsonl:4: not a JSON object"),
        ({"corpus": CORPUS + '{"text": "x"}\n'}, "corpus.jsonl:4: not a JSON object with an _id"),
        ({"corpus": CORPUS + '{"_id": "a"}\n'}, "corpus.jsonl:4: the _id was there before"),
        ({"qrels": QRELS + "q1 a\n"}, "qrels.tsv:4: not a query"),
        ({"qrels": QRELS + "q1\ta\tmuch\n"}, "qrels.tsv:4: not a query"),
        ({"qrels": "q1 a 1 1 1\n"}, "qrels.tsv:1: not a query"),
        ({"qrels": "q1 a inf\n"}, "qrels.tsv:1: not a query"),
        ({"queries": '{"_id": "q9", "text": "x"}\n'}, "no query that was judged"),
        ({"judgements": "qrels/other.txt"}, "has no judgements: qrels/test.tsv, qrels.tsv"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, files: dict[str, str], said: str) -> None:
    with pytest.raises(EvaluationNotPossible, match=said):
        read_collection(_written(tmp_path, **files))
