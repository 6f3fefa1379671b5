"""Collections: documents and records of one owner that are shared as one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from domain.errors import Invalid, NotFound
from domain.identity import CollectionId, DocumentId, PersonId, ResourceKind
from domain.vault.document import TITLE_LENGTH_MAX


class CollectionNotFound(NotFound):
    """There is nothing here for you: it does not exist, or you may not see it."""


class CollectionTitleNotUsable(Invalid):
    """A title has 1 to 300 characters, none of them a control character."""

    code = "title_not_usable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What a grant on it is about changes with what is in it; its title is content, and sealed."""

    id: CollectionId
    owner_id: PersonId
    sealed_title: bytes
    item_count: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionItem:
    """A document or a record, and since when it is in a collection."""

    document_id: DocumentId
    kind: ResourceKind
    added_at: datetime


def assert_title(title: str) -> None:
    if not 1 <= len(title) <= TITLE_LENGTH_MAX or not title.isprintable():
        raise CollectionTitleNotUsable(field="/title")
