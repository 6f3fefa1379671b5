"""Titles, filenames and metadata: sealed under the document's own key, as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass

from application.ports import Cipher, DataKey
from application.vault.ports import description_context
from domain.identity import DocumentId, PersonId, TenantId
from domain.vault.document import Description, Document


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptions:
    """Seals and opens what people call their documents."""

    cipher: Cipher

    def seal(
        self,
        description: Description,
        key: DataKey,
        tenant_id: TenantId,
        owner_id: PersonId,
        document_id: DocumentId,
    ) -> bytes:
        fields = {
            "title": description.title,
            "filename": description.filename,
            "metadata": dict(description.metadata),
        }
        context = description_context(tenant_id, owner_id, document_id)
        return self.cipher.seal(key, json.dumps(fields).encode(), context)

    def open(self, document: Document, key: DataKey, tenant_id: TenantId) -> Description:
        context = description_context(tenant_id, document.owner_id, document.id)
        opened = self.cipher.open(key, document.sealed_description, context)
        return Description(**json.loads(opened))
