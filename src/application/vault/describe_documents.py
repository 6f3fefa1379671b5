"""What a document is called and how it stands, for its owner or under a grant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from application.ports import OwnKeys, ReleaseGate
from application.vault.descriptions import Descriptions
from application.vault.ports import Documents
from domain.identity import Action, Caller, DocumentId, Purpose, ResourceKind, VersionRef
from domain.vault.document import Description, Document, DocumentNotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribedDocument:
    """A document and what it is called."""

    document: Document
    description: Description


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeDocument:
    """One document. Its owner needs no release to read its title; anyone else's look is one."""

    documents: Documents
    own_keys: OwnKeys
    gate: ReleaseGate
    descriptions: Descriptions

    async def __call__(
        self, *, caller: Caller, document_id: DocumentId, purpose: Purpose
    ) -> DescribedDocument:
        """Raises NotFound for what does not exist or may not be seen: one path for both."""
        document = await self.documents.find(caller, document_id)
        if document is not None and document.kind is not ResourceKind.DOCUMENT:
            document = None  # a record is read as one: a grant may be about some fields only
        if document is not None and document.owner_id == caller.person_id:
            keys = await self.own_keys(caller=caller, resources=[document_id])
            key = keys.get(document_id)
        else:
            version = 0 if document is None else document.current.ref.version
            ref = VersionRef(document_id=document_id, version=version)
            release = await self.gate(
                caller=caller, action=Action.READ, purpose=purpose, versions=[ref]
            )
            key = release.opened[ref].metadata
        if document is None or key is None:
            raise DocumentNotFound
        description = self.descriptions.open(document, key, caller.tenant_id)
        return DescribedDocument(document=document, description=description)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDocuments:
    """One's own documents or records, in the order in which they came."""

    documents: Documents
    own_keys: OwnKeys
    descriptions: Descriptions

    async def __call__(
        self,
        *,
        caller: Caller,
        after: DocumentId | None,
        limit: int,
        kind: ResourceKind = ResourceKind.DOCUMENT,
    ) -> Sequence[DescribedDocument]:
        found = await self.documents.owned(caller, kind, after=after, limit=limit)
        keys = await self.own_keys(caller=caller, resources=[each.id for each in found])
        return [
            DescribedDocument(
                document=each,
                description=self.descriptions.open(each, keys[each.id], caller.tenant_id),
            )
            for each in found
            if each.id in keys  # erased between the two looks
        ]
