"""What an examination of the doctor's says when it cannot be made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from domain.consent.grant import Grant
from domain.errors import NotFound
from domain.identity import Caller
from domain.vault.document import Document
from entrypoints.cli.doctor import command, revoking
from entrypoints.cli.doctor.findings import Finding, Outcome
from entrypoints.cli.doctor.patient import Patient, admitted
from entrypoints.container import Container


class Rationed(Patient):
    """What is shared is shown a few times, and refused from then on."""

    async def share(
        self, owner: Caller, document: Document, to: Caller, *, max_uses: int | None = None
    ) -> Grant:
        return await super().share(owner, document, to, max_uses=revoking.STREAMS // 2)


@pytest.fixture
async def rationed(container: Container) -> AsyncIterator[Rationed]:
    async with container.postgres_signals().listening(), admitted(container) as patient:
        rationed = Rationed(container=patient.container, tenants=patient.tenants)
        try:
            yield rationed
        finally:
            await rationed.discharge()


async def test_a_stream_that_is_refused_is_not_waited_for(rationed: Rationed) -> None:
    async with asyncio.timeout(30):
        with pytest.raises(NotFound):
            await revoking.examine(rationed)


async def test_what_takes_for_ever_is_a_finding(
    rationed: Rationed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def for_ever(_: Patient) -> Sequence[Finding]:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    monkeypatch.setattr(command, "EXAMINATION_SECONDS_MAX", 0.1)
    async with asyncio.timeout(30):
        (finding,) = await command.found(for_ever, rationed)
    assert finding.outcome is Outcome.BROKEN
    assert finding.told == "this could not be examined: it took longer than 0.1 s"


async def test_an_examination_that_runs_out_of_time_itself_is_told_so(rationed: Rationed) -> None:
    async def hasty(_: Patient) -> Sequence[Finding]:
        raise TimeoutError

    (finding,) = await command.found(hasty, rationed)
    assert finding.told == "this could not be examined: TimeoutError"
