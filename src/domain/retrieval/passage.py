"""Passages: what is indexed, found and quoted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.identity import GrantId, ReleaseId, VersionRef
from domain.place import Place, Places, place_at

# Of the names of files, which titles often are, what says nothing about what is in them.
_EXTENSION = re.compile(
    r"\.(?:txt|text|log|md|markdown|html?|pdf|docx|pptx|xlsx|ods|csv|tsv|jsonl?|ndjson|eml)\Z", re.I
)
_NAMELESS = "untitled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A stretch of one version's extracted text: its bytes [start, end) in UTF-8.

    `ordinal` counts the passages of the version from 0; `heading_path` names the sections
    around it, outermost first; `places` are where in the file it stands, by bytes from its
    start; `field` is the JSON Pointer of the field of a record that it is of.
    """

    version: VersionRef
    ordinal: int
    start: int
    end: int
    places: Places = ()
    field: str | None = None
    title: str
    heading_path: tuple[str, ...]
    text: str

    def __post_init__(self) -> None:
        if self.ordinal < 0 or not 0 <= self.start < self.end:
            raise ValueError("a passage has at least one byte")

    @property
    def id(self) -> str:
        """The name of this passage for clients: the same whoever asks, and no count of rows."""
        return f"{self.version.document_id}.{self.version.version}.{self.ordinal}"

    @property
    def place(self) -> Place:
        """Where it begins."""
        return place_at(self.places, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A passage that answers a query, opened under a release.

    `score` runs from 0 to 1 and compares hits of one query only; so do `semantic` and `keyword`,
    what each leg made of the passage, None where it did not find it. `grant_id` is None where
    the passage is the searcher's own. `text_commitment` stands for the whole text of its
    version, as the release has it.
    """

    passage: Passage
    score: float
    semantic: float | None = None
    keyword: float | None = None
    grant_id: GrantId | None
    release_id: ReleaseId
    text_commitment: bytes | None = None


def above(title: str, heading_path: Sequence[str]) -> tuple[str, ...]:
    """The title and the headings over a passage, each once, outermost first.

    A passage seldom repeats what its document is about, so these go with it wherever it is
    embedded or indexed. Spans are unaffected: they are those of the text alone. Of a title
    that is the name of a file its ending does not go along, and nothing of what has no title.
    """
    named = _EXTENSION.sub("", title)
    if named.casefold() == _NAMELESS:
        named = ""
    return tuple(dict.fromkeys(part for part in (named, *heading_path) if part))


def in_context(title: str, heading_path: Sequence[str], text: str) -> str:
    """What is embedded for a passage: its words below the headings they stand under."""
    over = above(title, heading_path)
    if over and text.startswith(over[-1]):
        over = over[:-1]  # the passage begins with its own heading
    return "\n".join((*over, text))
