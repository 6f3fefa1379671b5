"""What a search accepts, what a passage is, and what is indexed for it."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain.errors import Invalid
from domain.identity import DocumentId, VersionRef
from domain.retrieval.passage import Passage, in_context
from domain.retrieval.query import SearchQuery

DOCUMENT = DocumentId(UUID("01930000-0000-7000-8000-000000000001"))


@pytest.mark.parametrize(
    ("fields", "code", "pointer"),
    [
        ({"text": ""}, "query_empty", "/query"),
        ({"text": " \t\n"}, "query_empty", "/query"),
        ({"text": "x" * 8_001}, "query_too_long", "/query"),
        ({"text": "a\x00b"}, "query_unreadable", "/query"),
        ({"text": "half \ud83d of it"}, "query_unreadable", "/query"),
        ({"text": "x", "limit": 0}, "limit_out_of_range", "/limit"),
        ({"text": "x", "limit": 51}, "limit_out_of_range", "/limit"),
        (
            {"text": "x", "document_ids": frozenset()},
            "document_filter_out_of_range",
            "/filters/document_ids",
        ),
    ],
)
def test_a_refused_query_names_the_field_to_blame(
    fields: dict[str, object], code: str, pointer: str
) -> None:
    with pytest.raises(Invalid) as refused:
        SearchQuery(**fields)  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.field) == (code, pointer)


def test_white_space_around_a_query_does_not_count() -> None:
    assert SearchQuery(text=f"  {'x' * 8_000}\n").text == "x" * 8_000


def test_a_passage_is_named_by_its_version_and_place() -> None:
    passage = Passage(
        version=VersionRef(document_id=DOCUMENT, version=3),
        ordinal=7,
        start=0,
        end=2,
        title="",
        heading_path=(),
        text="ok",
    )
    assert passage.id == f"{DOCUMENT}.3.7"


def test_a_passage_is_indexed_under_its_title_and_headings() -> None:
    assert in_context("Lease", ("Duration", "Notice"), "Three months.") == (
        "Lease\nDuration\nNotice\nThree months."
    )


def test_a_heading_is_not_said_twice() -> None:
    assert in_context("Lease", ("Lease", "Notice"), "Notice\nThree months.") == (
        "Lease\nNotice\nThree months."
    )
    assert in_context("", (), "Three months.") == "Three months."


@pytest.mark.parametrize(
    ("title", "said"),
    [
        ("Lease of 2026.docx", "Lease of 2026\n"),
        ("4711.PDF", "4711\n"),
        ("1984", "1984\n"),
        ("Node.js", "Node.js\n"),
        ("Untitled", ""),
        ("untitled.md", ""),
    ],
)
def test_of_a_title_goes_along_what_says_what_it_is_about(title: str, said: str) -> None:
    assert in_context(title, (), "Three months.") == f"{said}Three months."
