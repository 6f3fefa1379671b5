"""Share links and grant tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, any_, case, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.audit_events import AuditedResource, record_event
from adapters.postgres.engine import transaction
from adapters.postgres.evidence import PostgresEvidence
from adapters.postgres.grant_rows import grant_of
from adapters.postgres.tables import (
    collections,
    consent_events,
    consent_receipts,
    consents,
    documents,
    grant_tokens,
    grants,
    notices,
    service_clients,
    share_links,
)
from application.consent.ports import LinkAttempt, LinkRedeemed
from application.ports import NewId
from domain.consent.grant import Grant
from domain.consent.link import (
    PASS_CODE_ATTEMPTS,
    Agreed,
    LinkRefusal,
    ShareLink,
    TokenStanding,
    token_expiry,
)
from domain.consent.notice import Notice
from domain.consent.record import VALID_STATES
from domain.identity import Caller, DocumentId, PersonId, ResourceKind, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresLinks:
    """`Links`."""

    engine: AsyncEngine
    evidence: PostgresEvidence
    new_id: NewId

    async def find(self, caller: Caller, link_id: PersonId) -> ShareLink | None:
        one = links_of(caller).where(share_links.c.id == link_id)
        async with transaction(self.engine, caller.tenant_id) as connection:
            row = (await connection.execute(one)).one_or_none()
        return None if row is None else link_of(row)

    async def made(
        self, caller: Caller, *, after: PersonId | None, limit: int
    ) -> Sequence[ShareLink]:
        page = links_of(caller).order_by(share_links.c.id).limit(limit)
        if after is not None:
            page = page.where(share_links.c.id > after)
        async with transaction(self.engine, caller.tenant_id) as connection:
            return [link_of(row) for row in await connection.execute(page)]

    async def attempt(self, tenant_id: TenantId, token_hash: bytes) -> LinkAttempt | None:
        has_code = share_links.c.pass_code_hash.is_not(None)
        left = share_links.c.attempts_left
        counted = (
            update(share_links)
            .where(
                share_links.c.tenant_id == tenant_id,
                share_links.c.token_hash == token_hash,
                left > 0,
            )
            .values(attempts_left=case((has_code, left - 1), else_=left))
            .returning(share_links.c.id, share_links.c.pass_code_hash)
        )
        async with transaction(self.engine, tenant_id) as connection:
            row: Any = (await connection.execute(counted)).one_or_none()
        return row and LinkAttempt(link_id=row.id, pass_code_hash=row.pass_code_hash)

    async def redeem(
        self, tenant_id: TenantId, link_id: PersonId, grant_token: bytes
    ) -> LinkRedeemed | LinkRefusal:
        async with transaction(self.engine, tenant_id, link_id) as connection:
            # The link's row first: whoever redeems it at the same time waits here.
            held = select(share_links.c.grant_id).where(_is(tenant_id, link_id)).with_for_update()
            grant_id = (await connection.execute(held)).scalar_one()
            in_force = select(grants, func.clock_timestamp().label("now")).where(
                *_in_force(tenant_id, grant_id)
            )
            row = (await connection.execute(in_force.with_for_update(read=True))).one_or_none()
            if row is None:
                return LinkRefusal.NOT_IN_FORCE
            grant = grant_of(row)
            earlier = select(grant_tokens.c.expires_at).where(
                grant_tokens.c.tenant_id == tenant_id, grant_tokens.c.token_hash == grant_token
            )
            expires_at = (await connection.execute(earlier)).scalar_one_or_none()
            if expires_at is None:
                taken = (
                    update(share_links)
                    .where(_is(tenant_id, link_id), share_links.c.redemptions_left > 0)
                    .values(redemptions_left=share_links.c.redemptions_left - 1)
                )
                if not (await connection.execute(taken)).rowcount:
                    return LinkRefusal.REDEEMED_BEFORE
                expires_at = token_expiry(grant, row.now)
                await connection.execute(
                    insert(grant_tokens).values(
                        tenant_id=tenant_id,
                        token_hash=grant_token,
                        grant_id=grant_id,
                        person_id=link_id,
                        expires_at=expires_at,
                    )
                )
            # Whoever knows the pass-code was not guessing.
            known = update(share_links).where(_is(tenant_id, link_id))
            await connection.execute(known.values(attempts_left=PASS_CODE_ATTEMPTS))
            told: Any = (await connection.execute(_told(tenant_id, link_id, grant))).one()
            agreed = Agreed(
                notice=Notice(language=told.language, body=told.body), receipt=told.receipt
            )
        return LinkRedeemed(grant=grant, expires_at=expires_at, agreed=agreed)

    async def refused(self, tenant_id: TenantId, link_id: PersonId, reason: LinkRefusal) -> None:
        caller = Caller(tenant_id=tenant_id, person_id=link_id)
        sealing = await self.evidence.sealing(caller)
        async with transaction(self.engine, tenant_id, link_id) as connection:
            told = (
                update(share_links)
                .where(_is(tenant_id, link_id))
                .values(
                    refused_count=share_links.c.refused_count + 1,
                    refused_at=func.clock_timestamp(),
                )
                .returning(share_links.c.grant_id)
            )
            grant_id = (await connection.execute(told)).scalar_one()
            about = select(grants).where(grants.c.tenant_id == tenant_id, grants.c.id == grant_id)
            grant = grant_of((await connection.execute(about)).one())
            shared = DocumentId(grant.resource.id)
            # What was erased is named in no entry any more: nothing would delete what opens it.
            is_there = (await connection.execute(_held(tenant_id, grant))).one_or_none() is not None
            await record_event(
                connection,
                caller,
                sealing,
                event_id=self.new_id(),
                type=reason,
                at=None,
                purpose=grant.purpose,
                resources=[AuditedResource(document_id=shared, version=0, grant=grant)]
                if is_there
                else [],
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresGrantTokens:
    """`GrantTokens`."""

    engine: AsyncEngine

    async def find(self, tenant_id: TenantId, token_hash: bytes) -> TokenStanding | None:
        one = (
            select(
                grants,
                grant_tokens.c.person_id.label("token_person_id"),
                grant_tokens.c.created_at.label("token_created_at"),
                grant_tokens.c.expires_at.label("token_expires_at"),
            )
            .join(
                grant_tokens,
                and_(
                    grant_tokens.c.tenant_id == grants.c.tenant_id,
                    grant_tokens.c.grant_id == grants.c.id,
                ),
            )
            .where(
                *_in_force(tenant_id, grant_tokens.c.grant_id),
                grant_tokens.c.token_hash == token_hash,
                grant_tokens.c.revoked_at.is_(None),
                grant_tokens.c.expires_at > func.clock_timestamp(),
            )
        )
        async with transaction(self.engine, tenant_id) as connection:
            row: Any = (await connection.execute(one)).one_or_none()
        return row and TokenStanding(
            caller=Caller(tenant_id=tenant_id, person_id=PersonId(row.token_person_id)),
            grant=grant_of(row),
            created_at=row.token_created_at,
            expires_at=row.token_expires_at,
        )

    async def revoke(self, tenant_id: TenantId, token_hash: bytes) -> None:
        async with transaction(self.engine, tenant_id) as connection:
            await connection.execute(
                update(grant_tokens)
                .where(
                    grant_tokens.c.tenant_id == tenant_id,
                    grant_tokens.c.token_hash == token_hash,
                    grant_tokens.c.revoked_at.is_(None),
                )
                .values(revoked_at=func.clock_timestamp())
            )


def _is(tenant_id: TenantId, link_id: PersonId) -> Any:
    return and_(share_links.c.tenant_id == tenant_id, share_links.c.id == link_id)


def _told(tenant_id: TenantId, link_id: PersonId, grant: Grant) -> Select[Any]:
    """The notice of the grant's consent, and the newest receipt that was made out to the link."""
    return (
        select(notices.c.language, notices.c.body, consent_receipts.c.receipt)
        .select_from(consents)
        .join(
            notices,
            and_(
                notices.c.tenant_id == consents.c.tenant_id,
                notices.c.hash == consents.c.notice_hash,
            ),
        )
        .join(
            consent_receipts,
            and_(
                consent_receipts.c.tenant_id == consents.c.tenant_id,
                consent_receipts.c.consent_id == consents.c.id,
                consent_receipts.c.party_id == link_id,
            ),
        )
        .where(consents.c.tenant_id == tenant_id, consents.c.id == grant.consent_id)
        .order_by(consent_receipts.c.id.desc())
        .limit(1)
    )


def _held(tenant_id: TenantId, grant: Grant) -> Select[Any]:
    """What is shared, which whoever erases it waits for."""
    is_collection = grant.resource.kind is ResourceKind.COLLECTION
    shared = collections.c if is_collection else documents.c
    one = select(shared.id).where(shared.tenant_id == tenant_id, shared.id == grant.resource.id)
    return one.with_for_update(key_share=True, read=True)


def _in_force(tenant_id: TenantId, grant_id: UUID | Any) -> Sequence[Any]:
    """The grant, and none of the programs that handed it on, itself or further up, is over: what
    nobody signs in for ends with whoever did."""
    above = grants.alias()
    handed_on_by_what_is_over = exists().where(
        above.c.tenant_id == tenant_id,
        above.c.id == any_(func.array_append(grants.c.ancestors, grants.c.id)),
        service_clients.c.tenant_id == tenant_id,
        service_clients.c.id == above.c.grantor_id,
        or_(
            service_clients.c.revoked_at.is_not(None),
            service_clients.c.expires_at <= func.clock_timestamp(),
        ),
    )
    state = (
        select(consent_events.c.event_state)
        .where(
            consent_events.c.tenant_id == tenant_id,
            consent_events.c.consent_id == grants.c.consent_id,
        )
        .order_by(consent_events.c.seq.desc())
        .limit(1)
        .scalar_subquery()
    )
    return (
        grants.c.tenant_id == tenant_id,
        grants.c.id == grant_id,
        grants.c.revoked_at.is_(None),
        grants.c.not_before <= func.clock_timestamp(),
        grants.c.expires_at > func.clock_timestamp(),
        or_(grants.c.uses_left.is_(None), grants.c.uses_left > 0),
        state.in_(sorted(VALID_STATES)),
        ~handed_on_by_what_is_over,
    )


def links_of(caller: Caller) -> Select[Any]:
    """The caller's own, with their grants; columns of the link prefixed by `l_`."""
    return (
        select(grants, *(column.label(f"l_{column.name}") for column in share_links.c))
        .join(
            share_links,
            and_(
                share_links.c.tenant_id == grants.c.tenant_id,
                share_links.c.grant_id == grants.c.id,
            ),
        )
        .where(
            share_links.c.tenant_id == caller.tenant_id,
            share_links.c.creator_id == caller.person_id,
        )
    )


def link_of(row: Any) -> ShareLink:
    return ShareLink(
        id=PersonId(row.l_id),
        creator_id=PersonId(row.l_creator_id),
        grant=grant_of(row),
        has_pass_code=row.l_pass_code_hash is not None,
        redemptions_max=row.l_redemptions_max,
        redemptions_left=row.l_redemptions_left,
        is_locked=row.l_attempts_left == 0,
        refused_count=row.l_refused_count,
        refused_at=row.l_refused_at,
    )
