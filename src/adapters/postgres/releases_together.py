"""Releases of readers who come at the same time: written in one transaction, keys taken in another.

Nothing is decided here, and nothing waited for that only one of them needs. Whatever cannot be done
together is left to be done alone, where it is waited for, or refused with its reason.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.audit_events import RECORD_SECONDS_MAX
from adapters.postgres.driver import Driver, driver_of
from adapters.postgres.engine import translated_outages
from adapters.postgres.together import Together
from domain.identity import Caller, PersonId, ReleaseId, TenantId

Values = Mapping[str, Any]
"""The parameters of sql/record_release.sql."""

_OF_EVENTS = {
    "events": "event",
    "types": "type",
    "ats": "at",
    "actors": "actor",
    "actions": "action",
    "purposes": "purpose",
    "policy_versions": "policy_version",
    "actor_commitments": "actor_commitment",
    "body_commitments": "body_commitment",
    "body_salts": "salt",
    "body_keys": "body_key",
    "sealed_bodies": "sealed_body",
}
# For each event as many as it has: and under which name its id stands beside each.
_OF_PARTS = {
    "resource_events": (
        *("documents", "versions", "grants", "epochs", "consents"),
        *("commitments", "evidence_commitments", "salts", "keys", "sealed_evidence"),
    ),
    "document_events": ("held_documents",),
    "item_events": ("held_collections", "held_items"),
    "grant_events": ("held_grants", "held_epochs"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasesTogether:
    """Belongs to one event loop; one per process, or commits are not shared."""

    engine: AsyncEngine
    _recorded: Together[Values, bool] = field(init=False)
    _taken: Together[tuple[ReleaseId, PersonId], Sequence[Any] | None] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_recorded", Together(do=self._record))
        object.__setattr__(self, "_taken", Together(do=self._take))

    async def record(self, values: Values) -> bool:
        """Whether it is written and committed. Raises Unavailable."""
        return await self._recorded(values["tenant"], values)

    async def take(self, caller: Caller, release_id: ReleaseId) -> Sequence[Any] | None:
        """Rows as take_deks gives them; None: not to be had together. Raises Unavailable."""
        return await self._taken(caller.tenant_id, (release_id, caller.person_id))

    async def _record(self, tenant_id: TenantId, releases: Sequence[Values]) -> Sequence[bool]:
        try:
            with translated_outages():
                async with asyncio.timeout(RECORD_SECONDS_MAX), driver_of(self.engine) as driver:
                    return await record_on(driver, releases)
        except (DBAPIError, asyncpg.PostgresError):
            return [False] * len(releases)  # one of them spoils it for all: alone it says which

    async def _take(
        self, tenant_id: TenantId, wanted: Sequence[tuple[ReleaseId, PersonId]]
    ) -> Sequence[Sequence[Any] | None]:
        values = {
            "tenant": str(tenant_id),
            "releases": [release_id for release_id, _ in wanted],
            "persons": [person_id for _, person_id in wanted],
        }
        found: dict[UUID, list[Any]] = defaultdict(list)
        try:
            with translated_outages():
                async with asyncio.timeout(RECORD_SECONDS_MAX), driver_of(self.engine) as driver:
                    for row in await driver.rows("take_released", values):
                        found[row.release_id].append(row)
        except (DBAPIError, asyncpg.PostgresError):
            return [None] * len(wanted)
        return [found[release_id] for release_id, _ in wanted]


async def record_on(driver: Driver, releases: Sequence[Values]) -> Sequence[bool]:
    """Which of them were written, on this connection."""
    values: dict[str, object] = {"tenant": releases[0]["tenant"]}
    for name, of_one in _OF_EVENTS.items():
        values[name] = [each[of_one] for each in releases]
    for events, names in _OF_PARTS.items():
        values[events] = [each["event"] for each in releases for _ in each[names[0]]]
        for name in names:
            values[name] = [part for each in releases for part in each[name]]
    (row,) = await driver.rows("record_releases", values)
    return [each["event"] not in row.left_out for each in releases]
