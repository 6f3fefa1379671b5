"""What is being shown when it is withdrawn, and what is asked for afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from application.consent.withdraw_consent import STREAM_SECONDS_MAX
from application.ports import LeaseLost
from domain.errors import NotFound
from domain.identity import Action, Caller
from domain.vault.document import Document
from entrypoints.cli.doctor.findings import Finding, Outcome, held_if, percentile
from entrypoints.cli.doctor.patient import PURPOSE, Patient

STREAMS = 20
READERS = 8


async def examine(patient: Patient) -> Sequence[Finding]:
    owner, grantee = await patient.person(), await patient.person()
    document = await patient.document(owner)
    grant = await patient.share(owner, document, grantee)
    withdraw = patient.container.withdraw_consent()
    shown = asyncio.Semaphore(0)
    showing = [
        asyncio.create_task(_show(patient, grantee, document, shown)) for _ in range(STREAMS)
    ]
    began: list[tuple[float, bool]] = []
    reading = [
        asyncio.create_task(_read_on(patient, grantee, document, began)) for _ in range(READERS)
    ]
    try:
        await _all_shown(shown, showing)
        asked = time.monotonic()
        await withdraw(caller=owner, consent_id=grant.consent_id)
        acknowledged = time.monotonic()
        ended = await asyncio.gather(*showing)
        await asyncio.sleep(0.2)
    finally:
        for task in (*showing, *reading):
            task.cancel()
        await asyncio.gather(*showing, *reading, return_exceptions=True)
    stale = [when for when, succeeded in began if succeeded and when > acknowledged]
    return [
        held_if(
            not stale and len(began) > READERS,
            f"{len(began):,} reads around a withdrawal, begun after it was acknowledged and "
            f"answered: {len(stale)}",
        ),
        told_of_streams(ended, asked=asked, acknowledged=acknowledged),
    ]


def told_of_streams(ended: Sequence[float], *, asked: float, acknowledged: float) -> Finding:
    """When streams ended that were under way when the withdrawal was asked for; one that was not
    tells nothing about it. Seconds of one clock."""
    before = sum(when < asked for when in ended)
    if before:
        return Finding(
            Outcome.DOUBTFUL,
            f"how soon streams end was not measured: {before} of {len(ended)} were cut before "
            "the withdrawal",
        )
    late = [max(0.0, when - acknowledged) * 1000 for when in ended]
    return held_if(
        max(late) <= STREAM_SECONDS_MAX * 1000,
        f"{len(ended)} streams under way ended after the acknowledgement: "
        f"p50 {percentile(late, 50):.0f} ms, the last {max(late):.0f} ms",
    )


async def _all_shown(shown: asyncio.Semaphore, showing: Sequence[asyncio.Task[float]]) -> None:
    """Raises what the first of them failed with: nobody would tell that one is shown."""

    async def counted() -> None:
        for _ in showing:
            await shown.acquire()

    counting = asyncio.create_task(counted())
    waiting: set[asyncio.Task[None] | asyncio.Task[float]] = {counting, *showing}
    try:
        while not counting.done():
            ended, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for each in ended:
                each.result()
    finally:
        counting.cancel()


async def _show(
    patient: Patient, caller: Caller, document: Document, shown: asyncio.Semaphore
) -> float:
    """Show it until it is taken away; when that was."""
    version = document.current.ref
    release = await patient.container.gate()(
        caller=caller, action=Action.READ, purpose=PURPOSE, versions=[version]
    )
    try:
        async with patient.container.leases().hold(
            caller=caller, release_id=release.id, version=version
        ):
            shown.release()
            await asyncio.sleep(30)
    except LeaseLost:
        pass
    return time.monotonic()


async def _read_on(
    patient: Patient, caller: Caller, document: Document, began: list[tuple[float, bool]]
) -> None:
    """When each read began, and whether it was answered."""
    while True:
        when = time.monotonic()
        try:
            await patient.read(caller, document)
        except NotFound:
            began.append((when, False))
        else:
            began.append((when, True))
        await asyncio.sleep(0)
