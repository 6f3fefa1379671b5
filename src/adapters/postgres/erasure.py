"""Erasure in one transaction: keys, ciphertext, index, quoting answers, grants.

Everything is counted while it goes, and looked for again once it is gone.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.audit_events import AuditedResource, record_event
from adapters.postgres.consent_ending import close_grants_on
from adapters.postgres.engine import present_time
from adapters.postgres.evidence import Sealing
from adapters.postgres.index_probe import index_hits, index_probes
from adapters.postgres.tables import (
    audit_openings,
    blob_parts,
    blobs,
    citations,
    data_keys,
    document_events,
    document_weights,
    documents,
    passage_features,
    passage_vectors,
    passages,
    postings,
    sealed_index,
    version_features,
    versions,
)
from adapters.postgres.tombstones import DOCUMENT_ERASED, tombstone_answers
from application.vault.ports import Erasure
from domain.identity import Caller
from domain.vault.document import Document

_ERASE_OPENINGS = text("SELECT erase_openings(:document)")


async def erase_document(
    connection: AsyncConnection,
    caller: Caller,
    sealing: Sealing,
    document: Document,
    event_id: UUID,
) -> Erasure:
    """The caller holds the document's row lock."""
    tenant_id = caller.tenant_id
    closed = await close_grants_on(connection, caller, document.id)
    at = await present_time(connection)
    answers = await tombstone_answers(
        connection,
        tenant_id,
        reason=DOCUMENT_ERASED,
        documents=[document.id],
        grants=[grant.id for grant in closed],
    )
    blob_ids = await _blobs(connection, caller, document)
    probes = await index_probes(connection, caller, document)
    counted = await _count(connection, caller, document, blob_ids)
    await _delete(connection, caller, document, blob_ids)
    residue = await _count(connection, caller, document, blob_ids)
    residue["index_hits"] = await index_hits(connection, caller, document, probes)
    await record_event(
        connection,
        caller,
        sealing,
        event_id=event_id,
        type="key_destroyed",
        at=at,
        resources=[AuditedResource(document_id=document.id, version=0)],
        body={
            "destroyed": counted,
            "residue": residue,
            "index_probes": probes.count,
            "answers_hidden": answers.answers_hidden,
        },
    )
    hidden = {"grants_closed": len(closed), "answers_hidden": answers.answers_hidden}
    return Erasure(at=at, destroyed=counted | hidden, residue=residue, index_probes=probes.count)


async def _blobs(connection: AsyncConnection, caller: Caller, document: Document) -> list[UUID]:
    """The ciphertext of all versions: nothing else tells afterwards whose it was."""
    of_it = select(versions.c.content_blob_id, versions.c.text_blob_id).where(
        versions.c.tenant_id == caller.tenant_id, versions.c.document_id == document.id
    )
    rows = await connection.execute(of_it)
    return [each for row in rows for each in row if each is not None]


async def _delete(
    connection: AsyncConnection, caller: Caller, document: Document, blob_ids: list[UUID]
) -> None:
    tenant_id = caller.tenant_id
    await connection.execute(_ERASE_OPENINGS, {"document": document.id})
    await connection.execute(
        delete(citations).where(
            citations.c.tenant_id == tenant_id, citations.c.document_id == document.id
        )
    )
    await connection.execute(
        delete(data_keys).where(
            data_keys.c.tenant_id == tenant_id, data_keys.c.resource_id == document.id
        )
    )
    await connection.execute(
        delete(blobs).where(blobs.c.tenant_id == tenant_id, blobs.c.id.in_(blob_ids))
    )
    await connection.execute(  # versions, the index and events go with it
        delete(documents).where(documents.c.tenant_id == tenant_id, documents.c.id == document.id)
    )


async def _count(
    connection: AsyncConnection, caller: Caller, document: Document, blob_ids: list[UUID]
) -> dict[str, int]:
    """Rows of this document in every table that can hold something made from it."""
    tables = {
        "keys": data_keys.c.resource_id,
        "versions": versions.c.document_id,
        "passages": passages.c.document_id,
        "vectors": passage_vectors.c.document_id,
        "postings": postings.c.document_id,
        "sealed_entries": sealed_index.c.document_id,
        "features": passage_features.c.document_id,
        "feature_events": version_features.c.document_id,
        "weights": document_weights.c.document_id,
        "citations": citations.c.document_id,
        "progress_events": document_events.c.document_id,
        "log_openings": audit_openings.c.document_id,
    }
    counts = {}
    for name, column in tables.items():
        table = column.table
        rows = (
            select(func.count())
            .select_from(table)
            .where(table.c.tenant_id == caller.tenant_id, column == document.id)
        )
        if "owner_id" in table.c:  # part of the key that finds them
            rows = rows.where(table.c.owner_id == document.owner_id)
        counts[name] = (await connection.execute(rows)).scalar_one()
    for table, blob_id in ((blobs, blobs.c.id), (blob_parts, blob_parts.c.blob_id)):
        sealed = (
            select(func.count())
            .select_from(table)
            .where(table.c.tenant_id == caller.tenant_id, blob_id.in_(blob_ids))
        )
        counts[table.name] = (await connection.execute(sealed)).scalar_one()
    return counts
