"""The release gate: the one narrow door through which keys leave the vault."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from application.consent.log_failures import LogFailures
from application.consent.ports import (
    AskedVersion,
    Decided,
    EvidenceKeyMissing,
    Outdated,
    Releases,
)
from application.ports import NewId, Release
from domain.consent.decision import AccessRequest, decide
from domain.consent.evidence import evidence_of
from domain.consent.failure import FailureReason
from domain.errors import NotFound, Unavailable
from domain.identity import Action, Caller, GrantId, Purpose, ReleaseId, VersionRef
from domain.json_pointer import Pointers


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseContent:
    """`ReleaseGate`: decide, commit the release, and only then take the keys."""

    releases: Releases
    failures: LogFailures
    new_id: NewId
    gate_seconds_max: float = 5.0

    async def __call__(
        self,
        *,
        caller: Caller,
        action: Action,
        purpose: Purpose,
        versions: Sequence[VersionRef],
        fields: Mapping[VersionRef, Pointers] | None = None,
    ) -> Release:
        release_id, released = ReleaseId(self.new_id()), False
        try:
            async with asyncio.timeout(self.gate_seconds_max):
                asked = (release_id, caller, action, purpose, versions, fields or {})
                try:
                    decided, wait_for_log = await self._commit_release(*asked)
                except EvidenceKeyMissing:  # stored before there was evidence
                    await self.releases.make_evidence_keys(caller, versions)
                    decided, wait_for_log = await self._commit_release(*asked)
                if not any(each.decision.permitted for each in decided.values()):
                    raise NotFound
                released = True
                if wait_for_log:
                    await self.releases.until_in_log(caller, release_id)
                opened = await self.releases.take_keys(caller, release_id)
                if not opened:  # erased between the release and its keys
                    raise NotFound
        except Exception as error:
            if released:
                await self.failures.log(caller, [release_id], error, _reason_of(error))
            if isinstance(error, TimeoutError):
                raise Unavailable(
                    "The access could not be recorded, so nothing was shown."
                ) from error
            raise
        shown = {
            version: replace(
                keys,
                fields=decided[version].decision.fields,
                text_commitment=decided[version].text_commitment,
            )
            for version, keys in opened.items()
        }
        return Release(id=release_id, opened=shown)

    async def _commit_release(
        self,
        release_id: ReleaseId,
        caller: Caller,
        action: Action,
        purpose: Purpose,
        versions: Sequence[VersionRef],
        fields: Mapping[VersionRef, Pointers],
    ) -> tuple[Mapping[VersionRef, Decided], bool]:
        refused: frozenset[GrantId] = frozenset()
        async with self.releases.begin(caller) as attempt:
            while True:  # until what was decided on stands; each time, somebody else got through
                asked = {each.version: each for each in await attempt.ask(versions)}
                decided = {
                    version: _decided(
                        _request(caller, action, purpose, each, fields.get(each.wanted)),
                        each,
                        refused,
                    )
                    for version, each in asked.items()
                }
                latest = max((each.at for each in asked.values()), default=None)
                try:
                    await attempt.record(
                        release_id, action=action, purpose=purpose, at=latest, decided=decided
                    )
                except Outdated as outdated:
                    refused |= outdated.refused
                else:
                    return decided, any(each.wait_for_log for each in asked.values())


def _decided(request: AccessRequest, asked: AskedVersion, refused: frozenset[GrantId]) -> Decided:
    decision = decide(request, asked.grants, asked.at, uses_refused=refused)
    return Decided(
        decision=decision,
        evidence=evidence_of(
            request,
            asked.grants,
            asked.at,
            decision,
            uses_refused=refused,
            text_commitment=asked.text_commitment,
        ),
        text_commitment=asked.text_commitment,
    )


def _request(
    caller: Caller,
    action: Action,
    purpose: Purpose,
    asked: AskedVersion,
    fields: Pointers | None,
) -> AccessRequest:
    return AccessRequest(
        person_id=caller.person_id,
        action=action,
        purpose=purpose,
        version=asked.version,
        owner_id=asked.owner_id,
        acr=caller.acr,
        fields=fields,
        collections=asked.collections,
    )


def _reason_of(error: Exception) -> FailureReason | None:
    """As the gate knows better than others why it could not give the keys."""
    if isinstance(error, TimeoutError):
        return FailureReason.TOO_LATE
    return FailureReason.KEYS_UNAVAILABLE if isinstance(error, Unavailable) else None
