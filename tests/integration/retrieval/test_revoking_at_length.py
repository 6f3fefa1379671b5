"""Invariant 10: nothing begins after a withdrawal was acknowledged, and what is shown ends soon.

Readers and searchers race withdrawals, grant after grant. What is counted are attempts that began
after the acknowledgement: before it, either answer is right.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from adapters.postgres.engine import Database
from adapters.postgres.leases import PostgresLeases
from adapters.postgres.signals import PostgresSignals
from application.ports import LeaseLost, Release
from domain.consent.grant import Grant
from domain.errors import NotFound, Unavailable
from domain.identity import Action, Caller, Purpose, VersionRef
from domain.retrieval.query import SearchMode
from tests.integration.retrieval.library import Library

PURPOSE = Purpose("care")
TEXT = "A heron stood in the reeds."
READERS, SEARCHERS, STREAMS = 4, 2, 4
LATE_OF_EACH = 5
"""How often each of them tries again in a round after the acknowledgement."""
STREAM_SECONDS_MAX = 1.0


@dataclass
class Race:
    """One grant after the other, and what came of each attempt that began too late."""

    library: Library
    leases: PostgresLeases
    owner: Caller
    grantee: Caller
    version: VersionRef
    late: Counter[str] = field(default_factory=Counter)
    stale: Counter[str] = field(default_factory=Counter)
    before: int = 0
    unknown: int = 0
    ended_after: list[float] = field(default_factory=list)

    async def round(self) -> None:
        grant = await self.library.share(
            self.owner,
            self.version,
            self.grantee,
            purpose=PURPOSE,
            actions=(Action.READ, Action.SEARCH),
        )
        acknowledged = asyncio.Event()
        begun = [asyncio.Event() for _ in range(STREAMS)]
        shown = [asyncio.create_task(self._stream(each)) for each in begun]
        racing = [
            asyncio.create_task(self._again_and_again(kind, attempt, acknowledged))
            for kind, attempt, count in (
                ("read", self._read, READERS),
                ("search", self._search, SEARCHERS),
            )
            for _ in range(count)
        ]
        await asyncio.gather(*(each.wait() for each in begun))
        acknowledged_at = await self._withdraw(grant)
        acknowledged.set()
        await asyncio.gather(*racing)
        ends = [end for end in await asyncio.gather(*shown) if end is not None]
        self.ended_after += [max(0.0, end - acknowledged_at) for end in ends]

    async def _again_and_again(
        self, kind: str, attempt: Callable[[], Awaitable[bool]], acknowledged: asyncio.Event
    ) -> None:
        late = 0
        while late < LATE_OF_EACH:
            is_late = acknowledged.is_set()
            got = await attempt()
            if is_late:
                late += 1
                self.late[kind] += 1
                self.stale[kind] += got
            else:
                self.before += got

    async def _read(self) -> bool:
        try:
            return bool((await self._release()).opened)
        except NotFound:
            return False
        except Unavailable:
            self.unknown += 1  # a machine with much else to do: nothing was disclosed
            return False

    async def _search(self) -> bool:
        try:
            found = await self.library.found(
                self.grantee, "heron in the reeds", purpose=PURPOSE, mode=SearchMode.KEYWORD
            )
        except Unavailable:
            self.unknown += 1
            return False
        return bool(found)

    async def _stream(self, begun: asyncio.Event) -> float | None:
        """When it was taken away; None where it could not even begin."""
        try:
            release = await self._release()
            async with self.leases.hold(
                caller=self.grantee, release_id=release.id, version=self.version
            ):
                begun.set()
                await asyncio.sleep(30)
        except LeaseLost:
            return time.monotonic()
        except Unavailable:
            self.unknown += 1
            return None
        finally:
            begun.set()
        raise AssertionError("it was shown for half a minute")

    async def _release(self) -> Release:
        return await self.library.container.gate()(
            caller=self.grantee, action=Action.READ, purpose=PURPOSE, versions=[self.version]
        )

    async def _withdraw(self, grant: Grant) -> float:
        withdraw = self.library.container.withdraw_consent()
        await withdraw(caller=self.owner, consent_id=grant.consent_id)
        return time.monotonic()


@pytest.mark.parametrize(
    "attempts", [90, pytest.param(10_000, marks=pytest.mark.long)], ids=["some", "at length"]
)
async def test_nothing_begins_after_the_acknowledgement_and_streams_end(
    library: Library, database: Database, attempts: int, figure: Callable[[str], None]
) -> None:
    owner, grantee = await library.person(), await library.person()
    version = await library.add(owner, TEXT)
    engine = library.engine
    leases = PostgresLeases(engine=engine, signals=PostgresSignals(database))
    race = Race(library, leases, owner, grantee, version)
    rounds = 0
    async with leases.signals.listening():
        while race.late.total() < attempts:
            await race.round()
            rounds += 1
    while leases.tenants_held:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    ends = sorted(race.ended_after)
    figure(
        f"stale {race.stale.total()} of {race.late.total()} attempts after the acknowledgement"
        f" ({dict(race.late)}) in {rounds} withdrawals, {race.before} before it,"
        f" {race.unknown} not answered in time;"
        f" {len(ends)} streams ended after {ends[len(ends) // 2] * 1000:.0f} ms (p50),"
        f" {ends[len(ends) * 99 // 100] * 1000:.0f} ms (p99), {ends[-1] * 1000:.0f} ms (the last)"
    )
    assert race.stale.total() == 0
    assert race.before > rounds, "else nobody raced"
    assert ends[-1] < STREAM_SECONDS_MAX
