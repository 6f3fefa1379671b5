"""The events of consents: appended to their ledger, and told to the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import insert, null
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.audit_events import AuditedResource, record_event
from adapters.postgres.evidence import Sealing
from adapters.postgres.tables import consent_events
from domain.consent.grant import Grant
from domain.consent.record import ConsentEvent
from domain.identity import Caller, ConsentId, DocumentId


async def append_event(
    connection: AsyncConnection,
    caller: Caller,
    consent_id: ConsentId,
    event: ConsentEvent,
    outcome: Mapping[str, object] | None = None,
) -> None:
    """`outcome` is what ending the consent did, for whoever asks for its receipt later."""
    await connection.execute(
        insert(consent_events).values(
            tenant_id=caller.tenant_id,
            consent_id=consent_id,
            seq=event.seq,
            event_type=event.event_type,
            event_state=event.event_state,
            entity_id=event.entity_id,
            event_time=event.event_time,
            valid_until=event.valid_until,
            outcome=null() if outcome is None else outcome,
        )
    )


async def record_consent_event(
    connection: AsyncConnection,
    caller: Caller,
    sealing: Sealing,
    event_id: UUID,
    consent_id: ConsentId,
    event: ConsentEvent,
    about: Sequence[Grant],
    did: Mapping[str, object] | None = None,
) -> None:
    """`about` are the grants that the event made, or ended; `did` is what else it did."""
    await record_event(
        connection,
        caller,
        sealing,
        event_id=event_id,
        type=event.event_type,
        at=event.event_time,
        purpose=about[0].purpose if about else None,
        resources=[
            AuditedResource(document_id=DocumentId(grant.resource.id), version=0, grant=grant)
            for grant in {grant.resource.id: grant for grant in about}.values()
        ],
        body={
            "consent_id": str(consent_id),
            "event": event.event_state.value,
            "valid_until": event.valid_until and event.valid_until.isoformat(),
            "grants": [{"id": str(grant.id), "epoch": grant.epoch} for grant in about],
            **(did or {}),
        },
    )
