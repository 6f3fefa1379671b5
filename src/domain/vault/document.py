"""Documents and their immutable versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.errors import Conflict, Invalid, NotFound
from domain.identity import Acr, BlobId, DocumentId, PersonId, ResourceKind, VersionRef
from domain.language import Language
from domain.vault.schema import SchemaRef

TITLE_LENGTH_MAX = 300
FILENAME_LENGTH_MAX = 255
METADATA_ENTRIES_MAX = 32
METADATA_LENGTH_MAX = 500
WEIGHT_MIN, WEIGHT_MAX = 0.25, 4.0


class DocumentNotFound(NotFound):
    """There is nothing here for you: it does not exist, or you may not see it."""


class TextNotReady(Conflict):
    """The text of this version is not extracted yet, or could not be."""

    code = "text_not_ready"


class TitleNotUsable(Invalid):
    """A title has 1 to 300 characters, none of them a control character."""

    code = "title_not_usable"


class MetadataNotUsable(Invalid):
    """Metadata has at most 32 entries of at most 500 characters each."""

    code = "metadata_not_usable"


class WeightOutOfRange(Invalid):
    """A document is worth from 0.25 to 4, where 1 is worth what others are."""

    code = "weight_out_of_range"


class IndexMode(StrEnum):
    """What the index keeps of a document; shown in its notice."""

    CLEAR = "clear"
    SEALED = "sealed"
    NONE = "none"


class AuditMode(StrEnum):
    """Whether a release is shown once it is committed, or only once it is in the log."""

    COMMITTED = "committed"
    INTEGRATED = "integrated"


class VersionState(StrEnum):
    """How far a version has come on its way to being searchable."""

    RECEIVED = "received"
    EXTRACTING = "extracting"
    CHUNKING = "chunking"
    EMBEDDING = "embedding"
    INDEXING = "indexing"
    READY = "ready"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What people call a document. It is content: sealed at rest, under the document's own key."""

    title: str
    filename: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= len(self.title) <= TITLE_LENGTH_MAX or not self.title.isprintable():
            raise TitleNotUsable(field="/title")
        pairs = self.metadata.items()
        if len(pairs) > METADATA_ENTRIES_MAX or any(
            len(key) + len(value) > METADATA_LENGTH_MAX for key, value in pairs
        ):
            raise MetadataNotUsable(field="/metadata")


def assert_weight(weight: float) -> None:
    if not WEIGHT_MIN <= weight <= WEIGHT_MAX:
        raise WeightOutOfRange(field="/weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One immutable content of a document; lengths in bytes. A record's follows a schema.

    `language` is what it was indexed as; None before that.
    """

    ref: VersionRef
    media_type: str
    content_length: int
    content_blob: BlobId
    text_blob: BlobId | None = None
    state: VersionState = VersionState.RECEIVED
    state_reason: str | None = None
    passage_count: int = 0
    schema: SchemaRef | None = None
    language: Language | None = None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document, or a record, as it stands: its owner, its current version, and the one that
    search sees.

    `approval_acr` is how sure it must be who somebody is before they give access to it,
    `language` what its owner said that it is in, and `weight` what it is worth beside others.
    """

    id: DocumentId
    owner_id: PersonId
    kind: ResourceKind = ResourceKind.DOCUMENT
    current: Version
    searchable_version: int | None
    index_mode: IndexMode
    audit_mode: AuditMode
    approval_acr: Acr
    language: Language | None = None
    weight: float = 1.0
    sealed_description: bytes
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One numbered step of a document on its way; numbers count from 1 without gaps."""

    number: int
    version: int
    state: VersionState
    reason: str | None
    done: int | None
    total: int | None
    at: datetime
