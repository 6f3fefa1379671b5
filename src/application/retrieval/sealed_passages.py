"""Passages at rest: the text with its title and headings, sealed under the version's key."""

from __future__ import annotations

import json
from collections.abc import Sequence

from application.ports import Cipher, Context, DataKey
from application.retrieval.ports import SealedPassage
from domain.identity import TenantId, VersionRef
from domain.retrieval.passage import Passage


def seal_passage(
    cipher: Cipher,
    key: DataKey,
    tenant_id: TenantId,
    version: VersionRef,
    ordinal: int,
    *,
    title: str,
    heading_path: Sequence[str],
    text: str,
) -> bytes:
    payload = json.dumps([title, list(heading_path), text], ensure_ascii=False).encode()
    return cipher.seal(key, payload, _context(tenant_id, version, ordinal))


def open_passage(
    cipher: Cipher, key: DataKey, tenant_id: TenantId, sealed: SealedPassage
) -> Passage:
    """Raises Tampered when the row was altered, or is another one than it says."""
    context = _context(tenant_id, sealed.version, sealed.ordinal)
    title, heading_path, text = json.loads(cipher.open(key, sealed.sealed, context))
    return Passage(
        version=sealed.version,
        ordinal=sealed.ordinal,
        start=sealed.start,
        end=sealed.end,
        page=sealed.page,
        field=sealed.field,
        title=title,
        heading_path=tuple(heading_path),
        text=text,
    )


def _context(tenant_id: TenantId, version: VersionRef, ordinal: int) -> Context:
    return (
        tenant_id.bytes,
        version.document_id.bytes,
        version.version.to_bytes(4),
        b"passage",
        ordinal.to_bytes(4),
    )
