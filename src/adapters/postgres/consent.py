"""Consents, their events and receipts, and grants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import or_, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.consent_queries import events_of, records_of
from adapters.postgres.consent_rows import record_of
from adapters.postgres.consent_transaction import PostgresConsentTransaction
from adapters.postgres.engine import transaction, translated_outages
from adapters.postgres.evidence import PostgresEvidence
from adapters.postgres.grant_rows import grant_of
from adapters.postgres.tables import consents, grants
from application.consent.ports import RunOutConsent
from application.ports import NewId
from domain.consent.grant import Grant
from domain.consent.record import ConsentEvent, ConsentRecord
from domain.identity import Caller, ConsentId, GrantId, PersonId, TenantId

_RUN_OUT = text("SELECT tenant_id, consent_id, pii_principal_id FROM consents_run_out()")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresConsents:
    """`Consents`."""

    engine: AsyncEngine
    evidence: PostgresEvidence
    new_id: NewId

    @asynccontextmanager
    async def begin(self, caller: Caller) -> AsyncIterator[PostgresConsentTransaction]:
        sealing = await self.evidence.sealing(caller)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            yield PostgresConsentTransaction(
                connection=connection, caller=caller, sealing=sealing, new_id=self.new_id
            )

    async def grants(
        self, caller: Caller, *, given: bool, after: GrantId | None, limit: int
    ) -> Sequence[Grant]:
        person = caller.person_id
        given_by = or_(grants.c.grantor_id == person, grants.c.owner_id == person)
        side = given_by if given else grants.c.grantee_id == person
        page = (
            select(grants)
            .where(grants.c.tenant_id == caller.tenant_id, side)
            .order_by(grants.c.id)
            .limit(limit)
        )
        if after is not None:
            page = page.where(grants.c.id > after)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            return [grant_of(row) for row in await connection.execute(page)]

    async def consents(
        self, caller: Caller, *, after: ConsentId | None, limit: int
    ) -> Sequence[tuple[ConsentRecord, Sequence[ConsentEvent]]]:
        page = records_of(caller).order_by(consents.c.id).limit(limit)
        if after is not None:
            page = page.where(consents.c.id > after)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            records = [record_of(row) for row in await connection.execute(page)]
            events = await events_of(connection, caller, [each.record_id for each in records])
        return [(record, events[record.record_id]) for record in records]

    async def run_out(self) -> Sequence[RunOutConsent]:
        with translated_outages():
            async with self.engine.begin() as connection:
                rows = (await connection.execute(_RUN_OUT)).all()
        return [
            RunOutConsent(
                caller=Caller(
                    tenant_id=TenantId(row.tenant_id), person_id=PersonId(row.pii_principal_id)
                ),
                consent_id=ConsentId(row.consent_id),
            )
            for row in rows
        ]
