"""What a document is called and how it stands, for its owner or under a grant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from application.ports import DataKey, OwnKeys, ReleaseFailures, ReleaseGate
from application.vault.asked_version import asked_version
from application.vault.descriptions import Descriptions
from application.vault.ports import Documents
from domain.identity import Action, Caller, DocumentId, Purpose, ReleaseId, ResourceKind
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
    failures: ReleaseFailures
    descriptions: Descriptions

    async def __call__(
        self, *, caller: Caller, document_id: DocumentId, purpose: Purpose
    ) -> DescribedDocument:
        """Raises NotFound for what does not exist or may not be seen: one path for both."""
        document = await self.documents.find(caller, document_id)
        key, released = await self._key(caller, document_id, document, purpose)
        if document is None or key is None:
            raise DocumentNotFound
        async with self.failures.logged(caller, released):
            description = self.descriptions.open(document, key, caller.tenant_id)
        return DescribedDocument(document=document, description=description)

    async def _key(
        self, caller: Caller, document_id: DocumentId, found: Document | None, purpose: Purpose
    ) -> tuple[DataKey | None, Sequence[ReleaseId]]:
        """With the release that it was had against, where there was need of one."""
        kind = ResourceKind.DOCUMENT
        if found is not None and found.kind is kind and found.owner_id == caller.person_id:
            own = await self.own_keys(caller=caller, resources=[document_id])
            return own.get(document_id), ()
        ref = asked_version(document_id, found, kind)
        release = await self.gate(
            caller=caller, action=Action.READ, purpose=purpose, versions=[ref]
        )
        opened = release.opened.get(ref)  # granted since it was not found: next time it is
        return None if opened is None else opened.metadata, [release.id]


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
