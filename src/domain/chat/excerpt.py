"""Excerpts: what a prompt quotes from documents, and where in them it stands."""

from __future__ import annotations

from dataclasses import dataclass, field

from domain.identity import GrantId, ReleaseId, VersionRef
from domain.place import Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """The bytes [start, end) of a version's text in UTF-8, disclosed under a release.

    `id` names it within one prompt: e1, e2 ... `score` compares excerpts of one prompt, from 0
    to 1. `grant_id` is None where the document is the asker's own; `places` are where in the
    file it stands, by bytes from its start; `field` is the JSON Pointer of the field of a record.
    `text_commitment` stands for the whole text of the version, as the release has it.
    """

    id: str
    version: VersionRef
    start: int
    end: int
    title: str = field(repr=False)
    text: str = field(repr=False)
    score: float
    release_id: ReleaseId
    grant_id: GrantId | None
    places: Places = ()
    field: str | None = None
    text_commitment: bytes | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end or len(self.text.encode()) != self.end - self.start:
            raise ValueError("an excerpt is exactly the bytes of its span")
