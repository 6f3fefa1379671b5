"""Consents and their events as their sides see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.consent_rows import event_of
from adapters.postgres.tables import consent_events, consents, grants, notices
from domain.consent.record import ConsentEvent
from domain.identity import Caller, ConsentId


def records_of(caller: Caller) -> Select[Any]:
    """Consents that the caller is a side of, or shared onward, with the notice as it was shown."""
    shared_onward = exists().where(
        grants.c.tenant_id == consents.c.tenant_id,
        grants.c.consent_id == consents.c.id,
        grants.c.grantor_id == caller.person_id,
    )
    return (
        select(
            consents.c.record,
            consents.c.parent_id,
            consents.c.created_at,
            notices.c.language,
            notices.c.body,
        )
        .join(
            notices,
            (notices.c.tenant_id == consents.c.tenant_id)
            & (notices.c.hash == consents.c.notice_hash),
        )
        .where(
            consents.c.tenant_id == caller.tenant_id,
            or_(
                consents.c.pii_principal_id == caller.person_id,
                consents.c.recipient_id == caller.person_id,
                shared_onward,
            ),
        )
    )


async def events_of(
    connection: AsyncConnection, caller: Caller, ids: Sequence[ConsentId]
) -> Mapping[ConsentId, Sequence[ConsentEvent]]:
    in_order = (
        select(consent_events)
        .where(consent_events.c.tenant_id == caller.tenant_id, consent_events.c.consent_id.in_(ids))
        .order_by(consent_events.c.consent_id, consent_events.c.seq)
    )
    found: dict[ConsentId, list[ConsentEvent]] = defaultdict(list)
    for row in await connection.execute(in_order):
        found[ConsentId(row.consent_id)].append(event_of(row))
    return found
