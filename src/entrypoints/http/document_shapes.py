"""Documents as they are on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from application.vault.describe_documents import DescribedDocument
from application.vault.erase_document import ErasureReceipt
from domain.identity import Acr
from domain.language import TAG_LENGTH_MAX
from domain.vault.document import (
    TITLE_LENGTH_MAX,
    WEIGHT_MAX,
    WEIGHT_MIN,
    AuditMode,
    IndexMode,
    Progress,
    Version,
    VersionState,
)

LanguageTag = Annotated[str, Meta(min_length=2, max_length=TAG_LENGTH_MAX, examples=["de"])]


class DocumentFields(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What may be said about a document beside its file.

    `index_mode` says what the index keeps: words and vectors as they are (clear), the same
    encrypted (sealed), or nothing, so that it is not found (none). With `approval` mfa, giving
    access to it takes a second factor. `language` is a tag of BCP 47; left out, it is guessed from
    the text.
    """

    title: Annotated[str, Meta(min_length=1, max_length=TITLE_LENGTH_MAX)] | None = None
    index_mode: IndexMode = IndexMode.CLEAR
    audit: AuditMode = AuditMode.COMMITTED
    approval: Acr = Acr.PASSWORD
    language: LanguageTag | None = None
    metadata: dict[str, str] = {}


class IndexModeChosen(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the index keeps from now on: words and vectors as they are (clear), the same encrypted
    (sealed), or nothing (none)."""

    index_mode: IndexMode


class DocumentWeighed(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """1 is worth what others are; 2 moves it up as much as 0.5 moves it down."""

    weight: Annotated[float, Meta(ge=WEIGHT_MIN, le=WEIGHT_MAX)]


class DocumentShown(msgspec.Struct, kw_only=True):
    """A document as it stands. `state` and `language` are those of its newest version.

    `language` is what the words are searched as: what the owner said, else what was guessed.
    """

    id: UUID
    owner_id: UUID
    title: str
    filename: str | None
    metadata: dict[str, str]
    version: int
    searchable_version: int | None
    state: VersionState
    state_reason: str | None
    media_type: str
    content_length: int
    passage_count: int
    language: str | None
    index_mode: IndexMode
    audit: AuditMode
    approval: Acr
    weight: float
    created_at: datetime
    updated_at: datetime


class VersionShown(msgspec.Struct, kw_only=True):
    """One immutable version."""

    version: int
    state: VersionState
    state_reason: str | None
    media_type: str
    content_length: int
    passage_count: int
    language: str | None
    created_at: datetime


class ErasureShown(msgspec.Struct, kw_only=True):
    """What an erasure destroyed, what a search for the rest found, and a signed receipt of it.

    `index_probes` words and vectors that the index had were looked for in it again; `index_hits` in
    `residue` is how often they found the document. Until `backup_horizon` a backup may still hold
    the wrapped key.
    """

    document_id: UUID
    destroyed: dict[str, int]
    residue: dict[str, int]
    index_probes: int
    effective_at: datetime
    backup_horizon: datetime
    receipt: str


class ProgressShown(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One step on the way to being searchable."""

    version: int
    state: VersionState
    at: datetime
    reason: str | None = None
    done: int | None = None
    total: int | None = None


def document_shown(described: DescribedDocument) -> DocumentShown:
    document, description = described.document, described.description
    current = document.current
    return DocumentShown(
        id=document.id,
        owner_id=document.owner_id,
        title=description.title,
        filename=description.filename,
        metadata=dict(description.metadata),
        version=current.ref.version,
        searchable_version=document.searchable_version,
        state=current.state,
        state_reason=current.state_reason,
        media_type=current.media_type,
        content_length=current.content_length,
        passage_count=current.passage_count,
        language=current.language or document.language,
        index_mode=document.index_mode,
        audit=document.audit_mode,
        approval=document.approval_acr,
        weight=document.weight,
        created_at=document.created_at,
        updated_at=document.updated_at,
    )


def version_shown(version: Version) -> VersionShown:
    return VersionShown(
        version=version.ref.version,
        state=version.state,
        state_reason=version.state_reason,
        media_type=version.media_type,
        content_length=version.content_length,
        passage_count=version.passage_count,
        language=version.language,
        created_at=version.created_at,
    )


def progress_shown(step: Progress) -> ProgressShown:
    return ProgressShown(
        version=step.version,
        state=step.state,
        at=step.at,
        reason=step.reason,
        done=step.done,
        total=step.total,
    )


def erasure_shown(receipt: ErasureReceipt) -> ErasureShown:
    return ErasureShown(
        document_id=receipt.document_id,
        destroyed=dict(receipt.erasure.destroyed),
        residue=dict(receipt.erasure.residue),
        index_probes=receipt.erasure.index_probes,
        effective_at=receipt.erasure.at,
        backup_horizon=receipt.backup_horizon,
        receipt=receipt.signed,
    )
