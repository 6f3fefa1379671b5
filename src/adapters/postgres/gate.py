"""Where releases are written, and where their keys are had."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.audit_events import AuditedResource, event_values, recording
from adapters.postgres.driver import Driver, EachAlone, driver_transaction
from adapters.postgres.engine import transaction
from adapters.postgres.evidence import EvidenceKey, PostgresEvidence, Sealing
from adapters.postgres.grant_rows import grant_of
from adapters.postgres.keys import KeyKind, PostgresKeys
from adapters.postgres.releases_together import ReleasesTogether, Values
from adapters.postgres.tables import audit_leaves
from application.consent.ports import AskedVersion, Decided, EvidenceKeyMissing, Outdated
from application.ports import DataKey, OpenedVersion
from domain.audit.leaf import DENIAL, NO_VERSION, RELEASE, RELEASE_FAILED
from domain.consent.decision import ConsentedGrant
from domain.consent.failure import FailureReason
from domain.consent.record import ConsentState
from domain.errors import Unavailable
from domain.identity import (
    Action,
    Caller,
    CollectionId,
    DocumentId,
    GrantId,
    PersonId,
    Purpose,
    ReleaseId,
    ResourceKind,
    VersionRef,
)

LOG_POLL_SECONDS = 0.05
OUTDATED = "SR001"  # as hold_release says it


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresReleases:
    """`Releases`. The database hands out a wrapped key only against a committed release."""

    engine: AsyncEngine
    keys: PostgresKeys
    evidence: PostgresEvidence
    together: ReleasesTogether

    @asynccontextmanager
    async def begin(self, caller: Caller) -> AsyncIterator[PostgresReleaseAttempt]:
        sealing = await self.evidence.sealing(caller)
        yield PostgresReleaseAttempt(
            # Not one connection for all of it: who waits with others for a turn holds none.
            driver=EachAlone(self.engine),
            caller=caller,
            sealing=sealing,
            record_together=self.together.record,
        )

    async def make_evidence_keys(self, caller: Caller, versions: Sequence[VersionRef]) -> None:
        await self.evidence.make_missing(caller, [each.document_id for each in versions])

    async def until_in_log(self, caller: Caller, release_id: ReleaseId) -> None:
        leaf = select(audit_leaves.c.leaf_index).where(
            audit_leaves.c.tenant_id == caller.tenant_id, audit_leaves.c.event_id == release_id
        )
        while True:
            async with transaction(self.engine, caller.tenant_id) as connection:
                if (await connection.execute(leaf)).one_or_none() is not None:
                    return
            await asyncio.sleep(LOG_POLL_SECONDS)

    async def take_keys(
        self, caller: Caller, release_id: ReleaseId
    ) -> Mapping[VersionRef, OpenedVersion]:
        values = {
            "tenant": str(caller.tenant_id),
            "person": str(caller.person_id),
            "release": release_id,
        }
        try:
            rows = await self.together.take(caller, release_id)
            if rows is None:
                rows = await EachAlone(self.engine).rows("take_keys", values)
        except asyncpg.PostgresError as refused:
            # That keys were taken is recorded as well, and may fail like the release itself.
            raise Unavailable(
                "The access could not be recorded, so nothing was shown."
            ) from refused
        taken: dict[VersionRef, dict[str, DataKey]] = defaultdict(dict)
        grants: dict[VersionRef, GrantId | None] = {}
        keys = await self.keys.unwrap(caller.tenant_id, rows)
        for row, key in zip(rows, keys, strict=True):
            version = VersionRef(document_id=row.document_id, version=row.version)
            taken[version][row.kind] = key
            grants[version] = row.grant_id
        return {
            version: OpenedVersion(
                content=both[KeyKind.CONTENT],
                metadata=both[KeyKind.METADATA],
                grant_id=grants[version],
            )
            for version, both in taken.items()
            if len(both) == 2
        }

    async def record_failure(
        self, caller: Caller, event_id: UUID, release_id: ReleaseId, reason: FailureReason
    ) -> None:
        told = {"release_id": str(release_id), "reason": reason.value}
        names = {
            "tenant": caller.tenant_id,
            "person": caller.person_id,
            "release": release_id,
            "event": event_id,
            "reason": reason.value,
        }
        sealing = await self.evidence.sealing(caller)
        async with driver_transaction(self.engine, caller) as driver, recording():
            rows = await driver.rows("lock_released", names)
            if not rows:  # it failed before, and was logged then
                return
            values = event_values(
                caller,
                sealing,
                event_id=event_id,
                type=RELEASE_FAILED,
                at=None,
                action=Action(rows[0].action),
                purpose=Purpose(rows[0].purpose),
                resources=[
                    AuditedResource(
                        document_id=DocumentId(row.document_id),
                        version=row.version,
                        evidence=told,
                        evidence_key=EvidenceKey(id=row.key_id, public_key=row.public_key),
                    )
                    for row in rows
                    if row.document_id is not None
                ],
                body=told,
            )
            await driver.rows("record_event", values)
            await driver.rows("record_failure", names)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresReleaseAttempt:
    """`ReleaseAttempt`. In no transaction: each statement is one of its own.

    `record_together` writes it with those of others, where it can, and says whether it did.
    """

    driver: Driver | EachAlone
    caller: Caller
    sealing: Sealing
    record_together: Callable[[Values], Awaitable[bool]] | None = None
    evidence_keys: dict[VersionRef, EvidenceKey] = field(default_factory=dict)

    async def ask(self, versions: Sequence[VersionRef]) -> Sequence[AskedVersion]:
        wanted = sorted(set(versions))
        rows = await self.driver.rows(
            "ask_versions",
            {
                "tenant": self.caller.tenant_id,
                "person": self.caller.person_id,
                "documents": [each.document_id for each in wanted],
                "wanted": [each.version for each in wanted],
            },
        )
        found: dict[VersionRef, list[Any]] = defaultdict(list)
        for row in rows:
            asked_for = VersionRef(document_id=row.document_id, version=row.wanted_version)
            found[asked_for].append(row)
        return [self._asked(asked_for, held) for asked_for, held in found.items()]

    def _asked(self, wanted: VersionRef, held: Sequence[Any]) -> AskedVersion:
        first, at = held[0], max(row.asked_at for row in held)
        if first.version is None:
            return AskedVersion.of_nobody(wanted, at)
        if first.evidence_key_id is None:
            raise EvidenceKeyMissing
        version = VersionRef(document_id=wanted.document_id, version=first.version)
        self.evidence_keys[version] = EvidenceKey(
            id=first.evidence_key_id, public_key=first.evidence_public_key
        )
        return AskedVersion(
            wanted=wanted,
            version=version,
            owner_id=PersonId(first.document_owner_id),
            grants=[_consented(row) for row in held if row.id is not None],
            collections=frozenset(CollectionId(each) for each in first.collections),
            wait_for_log=first.audit_mode == "integrated",
            text_commitment=first.text_commitment,
            at=at,
        )

    async def record(
        self,
        release_id: ReleaseId,
        *,
        action: Action,
        purpose: Purpose,
        at: datetime | None,
        decided: Mapping[VersionRef, Decided],
    ) -> None:
        permitted = {ref: each for ref, each in decided.items() if each.decision.permitted}
        told = permitted or {ref: decided[ref] for ref in _newest_of_each(decided)}
        denials = (each.decision.denial for each in told.values())
        reasons = {denial for denial in denials if denial is not None}
        values = event_values(
            self.caller,
            self.sealing,
            event_id=release_id,
            type=RELEASE if permitted else DENIAL,
            at=at,
            action=action,
            purpose=purpose,
            resources=[
                AuditedResource(
                    document_id=DocumentId(ref.document_id),
                    version=ref.version if permitted else NO_VERSION,
                    grant=each.decision.grant,
                    evidence=each.evidence,
                    evidence_key=self.evidence_keys.get(ref),
                )
                for ref, each in told.items()
            ],
            body={"denied": sorted(reasons)} if reasons else {},
        )
        values |= self._held(told)
        if await self._is_recorded_together(values):
            return
        async with recording():
            try:
                await self.driver.rows("record_release", values)
            except asyncpg.PostgresError as error:
                if error.sqlstate != OUTDATED:
                    raise
                refused = (error.detail or "").split()
                raise Outdated(frozenset(GrantId(UUID(each)) for each in refused)) from None

    async def _is_recorded_together(self, values: Values) -> bool:
        """Not where a use is taken: whoever takes one waits for whoever takes another. Nor what
        an operator does, whose events are not sealed."""
        alone = values["counted_grants"] or values["body_key"] is None
        if self.record_together is None or alone:
            return False
        return await self.record_together(values)

    def _held(self, told: Mapping[VersionRef, Decided]) -> dict[str, object]:
        """What must still be so when it is written: the documents are there and where they are
        granted, and the grants are open, or have a use left, which is then taken."""
        granted = [(ref, each.decision.grant) for ref, each in told.items() if each.decision.grant]
        items = {
            (grant.resource.id, ref.document_id)
            for ref, grant in granted
            if grant.resource.kind is ResourceKind.COLLECTION
        }
        grants = {grant.id: grant for _, grant in granted}
        open_, counted = (
            [grant for grant in grants.values() if grant.is_counted is is_counted]
            for is_counted in (False, True)
        )
        chains = [(grant.id, link) for grant in counted for link in (*grant.ancestors, grant.id)]
        return {
            "held_documents": sorted(
                {ref.document_id for ref in told if ref in self.evidence_keys}
            ),
            "held_collections": [collection for collection, _ in items],
            "held_items": [document for _, document in items],
            "held_grants": [grant.id for grant in open_],
            "held_epochs": [grant.epoch for grant in open_],
            "counted_grants": [grant_id for grant_id, _ in chains],
            "counted_links": [link for _, link in chains],
        }


def _newest_of_each(versions: Iterable[VersionRef]) -> Collection[VersionRef]:
    """One for each document: a denial names no versions, so it could not tell them apart."""
    return {each.document_id: each for each in sorted(versions)}.values()


def _consented(row: Any) -> ConsentedGrant:
    return ConsentedGrant(grant=grant_of(row), consent_state=ConsentState(row.consent_state))
