"""All that is a person's, gone in one transaction: counted on the way, looked for afterwards."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, delete, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.audit_events import record_event
from adapters.postgres.consent_ending import close_grants, close_grants_on
from adapters.postgres.engine import present_time, transaction
from adapters.postgres.erasure import erase_document
from adapters.postgres.evidence import PostgresEvidence
from adapters.postgres.tables import (
    audit_events,
    blobs,
    collections,
    consents,
    conversations,
    data_keys,
    documents,
    grants,
    passage_vectors,
    people,
    postings,
    runs,
    sessions,
    totp,
    usage_ledger,
    wrapping_keys,
)
from adapters.postgres.tombstones import ACCESS_REVOKED, tombstone_answers
from adapters.postgres.vault import find_document
from application.accounts.erase_account import ErasedPerson
from application.ports import NewId
from domain.consent.grant import Grant
from domain.identity import Caller, DocumentId
from domain.vault.document import Document

_ERASE = text("SELECT what, rows FROM erase_person()")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresPersonErasure:
    """`PersonErasure`."""

    engine: AsyncEngine
    evidence: PostgresEvidence
    new_id: NewId

    async def erase(self, caller: Caller) -> ErasedPerson | None:
        sealing = await self.evidence.sealing(caller)
        tenant_id, person_id = caller.tenant_id, caller.person_id
        async with transaction(self.engine, tenant_id, person_id) as connection:
            # Whoever indexes one locks it, and then refers to its owner: in the same order here.
            await _own_documents(connection, caller)
            if not await _hold(connection, caller):
                return None
            destroyed: Counter[str] = Counter()
            left: Counter[str] = Counter()  # of the documents, each looked for when it was gone
            index_probes = 0
            for document in await _own_documents(connection, caller):
                erasure = await erase_document(connection, caller, sealing, document, self.new_id())
                destroyed.update(erasure.destroyed)
                destroyed["documents"] += 1
                left.update(erasure.residue)
                index_probes += erasure.index_probes
            destroyed.update(await _end_sharing(connection, caller))
            for table in (conversations, collections, blobs):
                gone = await connection.execute(
                    delete(table).where(
                        table.c.tenant_id == tenant_id, table.c.owner_id == person_id
                    )
                )
                destroyed[table.name] += gone.rowcount
            kept = await _kept(connection, caller)
            for what, rows in (await connection.execute(_ERASE)).all():
                destroyed[what] += rows
            at = await present_time(connection)
            residue = dict(left) | await _residue(connection, caller)
            # The person has no key any more that this could be sealed to: it tells of numbers.
            await record_event(
                connection,
                caller,
                self.evidence.for_operators,
                event_id=self.new_id(),
                type="key_destroyed",
                at=at,
                body={
                    "destroyed": dict(destroyed),
                    "residue": residue,
                    "index_probes": index_probes,
                    "kept": kept,
                },
            )
        self.evidence.forget(caller)
        return ErasedPerson(
            at=at,
            destroyed=dict(destroyed),
            residue=residue,
            index_probes=index_probes,
            kept=kept,
        )


async def _hold(connection: AsyncConnection, caller: Caller) -> bool:
    """Whoever stores something of this person's waits: it refers to the row."""
    this = (
        select(people.c.erased_at)
        .where(people.c.tenant_id == caller.tenant_id, people.c.id == caller.person_id)
        .with_for_update()
    )
    row = (await connection.execute(this)).one_or_none()
    return row is not None and row.erased_at is None


async def _own_documents(connection: AsyncConnection, caller: Caller) -> list[Document]:
    """In the order of ids, each locked."""
    own = (
        select(documents.c.id)
        .where(documents.c.tenant_id == caller.tenant_id, documents.c.owner_id == caller.person_id)
        .order_by(documents.c.id)
    )
    ids = (await connection.execute(own)).scalars().all()
    found = [await find_document(connection, caller, DocumentId(id_), lock=True) for id_ in ids]
    return [document for document in found if document is not None]


async def _end_sharing(connection: AsyncConnection, caller: Caller) -> Counter[str]:
    """What was shared by this person is shared no longer, nor what was shared with them, nor what
    they shared onward; answers that rest on it are taken back."""
    tenant_id, person_id = caller.tenant_id, caller.person_id
    own = select(collections.c.id).where(
        collections.c.tenant_id == tenant_id, collections.c.owner_id == person_id
    )
    ended: list[Grant] = []
    for collection_id in (await connection.execute(own.order_by(collections.c.id))).scalars().all():
        ended += await close_grants_on(connection, caller, collection_id)
    held = select(grants.c.id).where(
        grants.c.tenant_id == tenant_id, grants.c.grantee_id == person_id
    )
    ids = (await connection.execute(held)).scalars().all()
    ended += await close_grants(
        connection,
        caller,
        or_(
            grants.c.owner_id == person_id,
            grants.c.grantee_id == person_id,
            grants.c.grantor_id == person_id,
            grants.c.ancestors.overlap(ids),
        ),
    )
    back = await tombstone_answers(
        connection, tenant_id, reason=ACCESS_REVOKED, grants=[grant.id for grant in ended]
    )
    return Counter(grants_closed=len(ended), answers_hidden=back.answers_hidden)


async def _residue(connection: AsyncConnection, caller: Caller) -> dict[str, int]:
    """Rows that are still this person's, in every table that says so and holds content, an index
    or a key; of documents, also those that the erasure of each did not see."""
    owned = {
        "keys": data_keys.c.owner_id,
        "subject_keys": wrapping_keys.c.subject_id,
        "documents": documents.c.owner_id,
        "blobs": blobs.c.owner_id,
        "vectors": passage_vectors.c.owner_id,
        "postings": postings.c.owner_id,
        "collections": collections.c.owner_id,
        "conversations": conversations.c.owner_id,
        "runs": runs.c.owner_id,
        "sessions": sessions.c.person_id,
        "second_factors": totp.c.person_id,
    }
    return {
        name: await _count(connection, caller, column == caller.person_id, column)
        for name, column in owned.items()
    }


async def _kept(connection: AsyncConnection, caller: Caller) -> dict[str, int]:
    """What others need to prove what was done: without a name, and without content."""
    person_id = caller.person_id
    either = or_(consents.c.pii_principal_id == person_id, consents.c.recipient_id == person_id)
    return {
        "consent_records": await _count(connection, caller, either, consents.c.id),
        "log_entries": await _count(
            connection, caller, audit_events.c.actor_id == person_id, audit_events.c.id
        ),
        "usage_entries": await _count(
            connection, caller, usage_ledger.c.person_id == person_id, usage_ledger.c.number
        ),
    }


async def _count(
    connection: AsyncConnection,
    caller: Caller,
    which: ColumnElement[bool],
    column: Column[Any],
) -> int:
    table = column.table
    rows = (
        select(func.count()).select_from(table).where(table.c.tenant_id == caller.tenant_id, which)
    )
    found: int = (await connection.execute(rows)).scalar_one()
    return found
