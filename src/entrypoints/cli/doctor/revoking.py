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
from entrypoints.cli.doctor.findings import Finding, held_if, percentile
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
        for _ in range(STREAMS):
            await shown.acquire()
        await withdraw(caller=owner, consent_id=grant.consent_id)
        acknowledged = time.monotonic()
        ended = await asyncio.gather(*showing)
        await asyncio.sleep(0.2)
    finally:
        for task in (*showing, *reading):
            task.cancel()
        await asyncio.gather(*showing, *reading, return_exceptions=True)
    stale = [when for when, succeeded in began if succeeded and when > acknowledged]
    late = [max(0.0, when - acknowledged) * 1000 for when in ended]
    return [
        held_if(
            not stale and len(began) > READERS,
            f"{len(began):,} reads around a withdrawal, begun after it was acknowledged and "
            f"answered: {len(stale)}",
        ),
        held_if(
            max(late) <= STREAM_SECONDS_MAX * 1000,
            f"{STREAMS} streams under way ended after the acknowledgement: "
            f"p50 {percentile(late, 50):.0f} ms, the last {max(late):.0f} ms",
        ),
    ]


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
