"""Ending a consent: its grants, what was shared onward from them, and what rests on either.

Locks are taken in one order, so that no two endings can wait for each other: the consent, its
grants (from now on nothing is shared onward from them: that would need to read them), the
consents that rest on them, then those consents' grants. Only then is it time to look at the
clock: what readers in flight release is older than what follows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.consent_events import append_event, record_consent_event
from adapters.postgres.evidence import Sealing
from adapters.postgres.grant_rows import grant_of
from adapters.postgres.statements import statement
from adapters.postgres.tables import consent_events, grants
from adapters.postgres.tombstones import ACCESS_REVOKED, tombstone_answers
from application.consent.ports import Revocation, StoppedStream
from application.ports import NewId
from domain.consent.grant import Grant
from domain.consent.record import VALID_STATES, ConsentEvent, ConsentState
from domain.consent.withdrawal_policy import KeepingBasis
from domain.identity import (
    Caller,
    ConsentId,
    DocumentId,
    GrantId,
    LawfulBasis,
    ResourceKind,
    RunId,
)

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('consent:' || :consent, 0))")


async def lock_consent(connection: AsyncConnection, caller: Caller, consent_id: ConsentId) -> None:
    await connection.execute(_LOCK, {"consent": str(consent_id)})
    own = await _hold(connection, caller, grants.c.consent_id == consent_id)
    onward = select(grants.c.consent_id).where(
        grants.c.tenant_id == caller.tenant_id, grants.c.ancestors.overlap(own)
    )
    for resting in sorted(set((await connection.execute(onward)).scalars())):
        await connection.execute(_LOCK, {"consent": str(resting)})
    await _hold(connection, caller, grants.c.ancestors.overlap(own))


async def end_consent(
    connection: AsyncConnection,
    caller: Caller,
    sealing: Sealing,
    new_id: NewId,
    consent_id: ConsentId,
    event: ConsentEvent,
    *,
    policy_applies: bool,
) -> Revocation:
    """The caller holds the consent by `lock_consent`. What becomes of finished answers is the
    tenant's policy where that applies; else they are hidden."""
    ended = await _close(connection, caller, consent_id, event.event_time)
    for resting in sorted({grant.consent_id for grant in ended} - {consent_id}):
        await invalidate_consent(connection, caller, resting)
    back = await tombstone_answers(
        connection,
        caller.tenant_id,
        reason=ACCESS_REVOKED,
        grants=[grant.id for grant in ended],
        policy_applies=policy_applies,
    )
    kept_under = None if back.kept_under is None else back.kept_under.claims()
    answers = {
        "answers_hidden": back.answers_hidden,
        "answers_kept": back.answers_kept,
        "kept_under": kept_under,
    }
    revocation = Revocation(
        grants=ended,
        streams=back.streams,
        answers_hidden=back.answers_hidden,
        answers_kept=back.answers_kept,
        kept_under=back.kept_under,
        last_release_numbers=await _last_numbers(connection, caller, ended),
    )
    await append_event(connection, caller, consent_id, event, revocation.claims())
    await record_consent_event(
        connection, caller, sealing, new_id(), consent_id, event, ended, answers
    )
    return revocation


async def revocation_of(
    connection: AsyncConnection, caller: Caller, consent_id: ConsentId
) -> Revocation | None:
    """What `end_consent` did; the grants as they are, and an ended one changes no more."""
    did = select(consent_events.c.outcome).where(
        consent_events.c.tenant_id == caller.tenant_id,
        consent_events.c.consent_id == consent_id,
        consent_events.c.outcome.is_not(None),
    )
    written = (await connection.execute(did)).scalar_one_or_none()
    if written is None:
        return None
    ids = [UUID(each["id"]) for each in written["grants"]]
    rows = await connection.execute(
        select(grants).where(grants.c.tenant_id == caller.tenant_id, grants.c.id.in_(ids))
    )
    kept_under = written["kept_under"]
    return Revocation(
        grants=sorted((grant_of(row) for row in rows), key=lambda grant: ids.index(grant.id)),
        streams=[
            StoppedStream(
                run_id=RunId(UUID(each["run_id"])),
                ended_at=datetime.fromisoformat(each["ended_at"]),
            )
            for each in written["streams"]
        ],
        answers_hidden=written["answers_hidden"],
        answers_kept=written["answers_kept"],
        kept_under=kept_under
        and KeepingBasis(
            lawful_basis=LawfulBasis(kept_under["lawful_basis"]), reference=kept_under["reference"]
        ),
        last_release_numbers={
            DocumentId(UUID(document)): number
            for document, number in written["last_release_numbers"].items()
        },
    )


async def invalidate_consent(
    connection: AsyncConnection, caller: Caller, consent_id: ConsentId
) -> None:
    """The next event of a consent whose ground is gone, if it is in force."""
    await connection.execute(
        statement("invalidate_consent"),
        {
            "tenant": caller.tenant_id,
            "consent": consent_id,
            "entity": caller.person_id,
            "valid": sorted(VALID_STATES),
            "state": ConsentState.INVALIDATED,
        },
    )


async def close_grants_on(
    connection: AsyncConnection, caller: Caller, resource_id: UUID
) -> Sequence[Grant]:
    """A consent to something that is gone is invalidated, and its grants end."""
    return await close_grants(connection, caller, grants.c.resource_id == resource_id)


async def close_grants(
    connection: AsyncConnection, caller: Caller, which: ColumnElement[bool]
) -> Sequence[Grant]:
    """Those of these that are open end, and the consents that they follow from are invalidated."""
    ids = await _hold(connection, caller, and_(which, grants.c.revoked_at.is_(None)))
    closed = await connection.execute(
        update(grants)
        .where(grants.c.tenant_id == caller.tenant_id, grants.c.id.in_(ids))
        .values(revoked_at=func.clock_timestamp(), epoch=grants.c.epoch + 1)
        .returning(*grants.c)
    )
    ended = [grant_of(row) for row in closed]
    for consent_id in sorted({grant.consent_id for grant in ended}):
        await invalidate_consent(connection, caller, consent_id)
    return ended


async def _hold(
    connection: AsyncConnection, caller: Caller, which: ColumnElement[bool]
) -> list[GrantId]:
    held = (
        select(grants.c.id)
        .where(grants.c.tenant_id == caller.tenant_id, which)
        .order_by(grants.c.id)
        .with_for_update()
    )
    return [GrantId(each) for each in (await connection.execute(held)).scalars()]


async def _close(
    connection: AsyncConnection, caller: Caller, consent_id: ConsentId, at: datetime
) -> Sequence[Grant]:
    """The grants of the consent first, then those shared onward."""
    own = select(grants.c.id).where(
        grants.c.tenant_id == caller.tenant_id, grants.c.consent_id == consent_id
    )
    ids = (await connection.execute(own)).scalars().all()
    closed = await connection.execute(
        update(grants)
        .where(
            grants.c.tenant_id == caller.tenant_id,
            grants.c.revoked_at.is_(None),
            (grants.c.consent_id == consent_id) | grants.c.ancestors.overlap(ids),
        )
        .values(revoked_at=at, epoch=grants.c.epoch + 1)
        .returning(*grants.c)
    )
    return sorted((grant_of(row) for row in closed), key=lambda grant: len(grant.ancestors))


async def _last_numbers(
    connection: AsyncConnection, caller: Caller, ended: Sequence[Grant]
) -> Mapping[DocumentId, int]:
    """Of what the grants are about; of a collection, of the documents that it holds."""
    about = {each.resource for each in ended}
    values = {
        "tenant": caller.tenant_id,
        "documents": [each.id for each in about if each.kind is not ResourceKind.COLLECTION],
        "collections": [each.id for each in about if each.kind is ResourceKind.COLLECTION],
    }
    rows = await connection.execute(statement("last_releases"), values)
    return {DocumentId(row.document_id): row.last for row in rows}
