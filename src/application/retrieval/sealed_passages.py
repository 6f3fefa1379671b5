"""Passages at rest: the text with its title, headings and places, sealed under the version's key.

The names of sheets and of JSON members are content, so they are in no column.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from application.ports import Cipher, Context, DataKey
from application.retrieval.ports import SealedPassage
from domain.identity import TenantId, VersionRef
from domain.place import Place, Places
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
    places: Places = (),
) -> bytes:
    told = [[start, place.known()] for start, place in places]
    payload = json.dumps([title, list(heading_path), text, told], ensure_ascii=False).encode()
    return cipher.seal(key, payload, _context(tenant_id, version, ordinal))


def open_passage(
    cipher: Cipher, key: DataKey, tenant_id: TenantId, sealed: SealedPassage
) -> Passage:
    """Raises Tampered when the row was altered, or is another one than it says."""
    context = _context(tenant_id, sealed.version, sealed.ordinal)
    title, heading_path, text, *told = json.loads(cipher.open(key, sealed.sealed, context))
    return Passage(
        version=sealed.version,
        ordinal=sealed.ordinal,
        start=sealed.start,
        end=sealed.end,
        places=_places(told[0]) if told else _on(sealed.page),
        field=sealed.field,
        title=title,
        heading_path=tuple(heading_path),
        text=text,
    )


def _places(told: list[tuple[int, dict[str, Any]]]) -> Places:
    return [(start, Place(**known)) for start, known in told]


def _on(page: int | None) -> Places:
    """Rows from before places were sealed know a page at most."""
    return () if page is None else ((0, Place(page=page)),)


def _context(tenant_id: TenantId, version: VersionRef, ordinal: int) -> Context:
    return (
        tenant_id.bytes,
        version.document_id.bytes,
        version.version.to_bytes(4),
        b"passage",
        ordinal.to_bytes(4),
    )
