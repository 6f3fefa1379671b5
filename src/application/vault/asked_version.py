"""Which version a reader asks the gate for, of a document that was found or was not."""

from __future__ import annotations

from domain.identity import CURRENT, DocumentId, ResourceKind, VersionRef
from domain.vault.document import Document


def asked_version(
    document_id: DocumentId,
    found: Document | None,
    kind: ResourceKind,
    version: int | None = None,
) -> VersionRef:
    """`version` None is the current one.

    What was not found is asked for all the same: the gate writes the refusal down, and tells it to
    the owner if there is one. What is of another kind is asked for as no version at all: a record
    is read as one, for a grant may be about some of its fields only.
    """
    if found is None:
        return VersionRef(document_id=document_id, version=version or CURRENT)
    if found.kind is not kind:
        return VersionRef(document_id=document_id, version=0)
    return VersionRef(document_id=document_id, version=version or found.current.ref.version)
