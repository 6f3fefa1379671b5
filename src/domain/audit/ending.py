"""Endings: what was erased, withdrawn or revoked, and must not come back with a backup."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.identity import PersonId, TenantId


class EndingKind(StrEnum):
    """What can end for good. `what` of an ending is the id of it, but for a token and a
    secret its hash."""

    CLIENT = "client"
    CLIENT_SECRET = "client_secret"  # noqa: S105
    """Replaced by another one of the client `by`."""
    COLLECTION = "collection"
    COLLECTION_ITEM = "collection_item"
    """Taken out of `what`; `detail` is the document."""
    CONSENT = "consent"
    CONVERSATION = "conversation"
    DOCUMENT = "document"
    KEY_VERSION = "key_version"
    """Destroyed after a rotation: of the tenant `what`, or of the person `by`; `detail` is it."""
    LINK = "link"
    """Redeemed; `detail` is how often it may be from then on, and none where nothing says."""
    PERSON = "person"
    TOKEN = "token"  # noqa: S105


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """One thing that ended; ids alone. `by` is whose it was, or who ended it."""

    id: UUID
    tenant_id: TenantId
    kind: EndingKind
    what: str
    by: PersonId | None
    detail: str | None
    at: datetime
