"""Ids and references that modules share, so that they can name each other's things.

Ids are UUIDs of version 7 (RFC 9562), made by the application before anything is stored.
There is no behaviour here: what a thing does belongs to its module.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType
from uuid import UUID

TenantId = NewType("TenantId", UUID)
PersonId = NewType("PersonId", UUID)
SessionId = NewType("SessionId", UUID)
DocumentId = NewType("DocumentId", UUID)
CollectionId = NewType("CollectionId", UUID)
ConsentId = NewType("ConsentId", UUID)
GrantId = NewType("GrantId", UUID)
ReleaseId = NewType("ReleaseId", UUID)
BlobId = NewType("BlobId", UUID)
ConversationId = NewType("ConversationId", UUID)
MessageId = NewType("MessageId", UUID)
RunId = NewType("RunId", UUID)
JobId = NewType("JobId", UUID)

OPERATOR = PersonId(UUID(int=0))
"""Who acts when nobody is signed in: an operator's command, or the service by itself."""


class Role(StrEnum):
    """What a person may do in a tenant beyond being the owner of own things."""

    MEMBER = "member"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Action(StrEnum):
    """What is done with content in one release."""

    READ = "read"
    SEARCH = "search"
    QUOTE = "quote"
    DERIVE = "derive"
    EXPORT = "export"
    SHARE = "share"


class ResourceKind(StrEnum):
    """What a grant can be about. A record is what the vault holds beside files: a structured
    document, whose id is a DocumentId too. A collection is a set of both."""

    DOCUMENT = "document"
    RECORD = "record"
    COLLECTION = "collection"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRef:
    """A document, a record or a collection."""

    kind: ResourceKind
    id: UUID


class Acr(StrEnum):
    """How sure it is who somebody is (RFC 9470): by a password, or by a second factor too."""

    PASSWORD = "pwd"  # noqa: S105 - the name of a level, from RFC 8176
    MFA = "mfa"


Purpose = NewType("Purpose", str)
PERSONAL_USE = Purpose("personal_use")


class LawfulBasis(StrEnum):
    """What processing may rest on where it does not rest on consent: Article 6(1) of the GDPR."""

    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTERESTS = "vital_interests"
    PUBLIC_TASK = "public_task"
    LEGITIMATE_INTERESTS = "legitimate_interests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The authenticated person in whose name something is done, in one tenant."""

    tenant_id: TenantId
    person_id: PersonId
    role: Role = Role.MEMBER
    acr: Acr = Acr.PASSWORD


CURRENT = -1
"""In the place of a version: the current one, whichever that is. Only the gate takes that."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class VersionRef:
    """One immutable version of one document; versions count from 1."""

    document_id: DocumentId
    version: int
