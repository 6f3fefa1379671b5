"""What someone searches for, and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.errors import Invalid
from domain.identity import PERSONAL_USE, DocumentId, Purpose

TEXT_CHARACTERS_MAX = 8_000
"""Whole paragraphs can be asked; of their words, WORDS_ASKED_MAX are searched for."""
LIMIT_MAX = 50
DOCUMENT_LIMIT_MAX = 100
DOCUMENTS_MAX = 200


class SearchMode(StrEnum):
    """By meaning, by words, or both."""

    HYBRID = "hybrid"
    SEMANTIC = "semantic"
    KEYWORD = "keyword"


class Results(StrEnum):
    """What is ranked: every passage by itself, documents by their passages, or passages by what
    each adds to those of its document that come before it."""

    PASSAGES = "passages"
    DOCUMENTS = "documents"
    SPREAD = "spread"


class QueryEmpty(Invalid):
    """There is nothing to search for: the query is empty."""

    code = "query_empty"


class QueryTooLong(Invalid):
    """A query has at most 8,000 characters."""

    code = "query_too_long"


class QueryUnreadable(Invalid):
    """The query contains characters that no text can contain: NUL, or half a surrogate pair."""

    code = "query_unreadable"


class LimitOutOfRange(Invalid):
    """A search returns from 1 to 50 passages, each ranked by itself, or from 1 to 100 results."""

    code = "limit_out_of_range"


class TooManyDocuments(Invalid):
    """A search can be narrowed down to from 1 to 200 documents."""

    code = "document_filter_out_of_range"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """A question, and among what it is asked.

    `text` is kept without the white space around it. Own documents are searched whatever the
    purpose, those of others under grants for exactly this purpose. With `document_ids` nothing
    else is searched; None searches everything that may be searched. `limit` counts what `results`
    says.
    """

    text: str
    limit: int = 10
    mode: SearchMode = SearchMode.HYBRID
    results: Results = Results.PASSAGES
    purpose: Purpose = PERSONAL_USE
    document_ids: frozenset[DocumentId] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", self.text.strip())
        if not self.text:
            raise QueryEmpty(field="/query")
        if len(self.text) > TEXT_CHARACTERS_MAX:
            raise QueryTooLong(field="/query")
        if "\x00" in self.text or not _is_encodable(self.text):
            raise QueryUnreadable(field="/query")
        limit_max = LIMIT_MAX if self.results is Results.PASSAGES else DOCUMENT_LIMIT_MAX
        if not 1 <= self.limit <= limit_max:
            raise LimitOutOfRange(field="/limit")
        if self.document_ids is not None and not 1 <= len(self.document_ids) <= DOCUMENTS_MAX:
            raise TooManyDocuments(field="/filters/document_ids")


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
