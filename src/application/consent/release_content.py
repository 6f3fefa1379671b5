"""The release gate: the one narrow door through which keys leave the vault."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from application.consent.ports import AskedVersion, Releases, ReleaseTransaction
from application.ports import NewId, Release
from domain.consent.decision import AccessRequest, Decision, Denial, decide
from domain.errors import NotFound, Unavailable
from domain.identity import Action, Caller, GrantId, Purpose, ReleaseId, VersionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseContent:
    """`ReleaseGate`: decide, write the release, commit, and only then take the keys."""

    releases: Releases
    new_id: NewId
    gate_seconds_max: float = 5.0

    async def __call__(
        self, *, caller: Caller, action: Action, purpose: Purpose, versions: Sequence[VersionRef]
    ) -> Release:
        release_id = ReleaseId(self.new_id())
        try:
            async with asyncio.timeout(self.gate_seconds_max):
                decided, wait_for_log = await self._commit_release(
                    release_id, caller, action, purpose, versions
                )
                if not any(decision.permitted for decision in decided.values()):
                    raise NotFound
                if wait_for_log:
                    await self.releases.until_in_log(caller, release_id)
                opened = await self.releases.take_keys(caller, release_id)
        except TimeoutError as late:
            raise Unavailable("The access could not be recorded, so nothing was shown.") from late
        if not opened:  # erased between the release and its keys
            raise NotFound
        return Release(id=release_id, opened=opened)

    async def _commit_release(
        self,
        release_id: ReleaseId,
        caller: Caller,
        action: Action,
        purpose: Purpose,
        versions: Sequence[VersionRef],
    ) -> tuple[Mapping[VersionRef, Decision], bool]:
        async with self.releases.begin(caller) as tx:
            asked = {each.version: each for each in await tx.ask(versions)}
            decided = {each: _decide(caller, action, purpose, asked.get(each)) for each in versions}
            decided = await _spend(tx, decided)
            latest = max((each.at for each in asked.values()), default=None)
            await tx.record(release_id, action=action, purpose=purpose, at=latest, decided=decided)
        return decided, any(each.wait_for_log for each in asked.values())


def _decide(
    caller: Caller, action: Action, purpose: Purpose, asked: AskedVersion | None
) -> Decision:
    """What does not exist is denied like what is hidden, and takes the same path and time."""
    if asked is None:
        return Decision(denial=Denial.NO_GRANT)
    request = AccessRequest(
        person_id=caller.person_id,
        action=action,
        purpose=purpose,
        version=asked.version,
        owner_id=asked.owner_id,
    )
    return decide(request, asked.grants, asked.at)


async def _spend(
    tx: ReleaseTransaction, decided: dict[VersionRef, Decision]
) -> dict[VersionRef, Decision]:
    """One release takes one use from each limited grant it rests on, or does not rest on it."""
    limited: set[GrantId] = {
        decision.grant.id
        for decision in decided.values()
        if decision.grant is not None and decision.grant.uses_left is not None
    }
    if not limited:
        return decided
    refused = limited - await tx.spend_uses(sorted(limited))
    return {
        version: Decision(denial=Denial.USED_UP)
        if decision.grant is not None and decision.grant.id in refused
        else decision
        for version, decision in decided.items()
    }
