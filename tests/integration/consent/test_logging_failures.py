"""Failures of releases: written once, in bounded time, and never instead of the error itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from adapters.postgres.engine import Database
from application.consent.log_failures import LogFailures
from application.ports import Release, Tampered
from domain.consent.failure import FailureReason
from domain.errors import Invalid
from domain.identity import PERSONAL_USE, Action, TenantId
from domain.vault.document import DocumentNotFound
from entrypoints.container import Container
from tests.integration.consent.test_gate import CallerIn, Scene, scene_of
from tests.integration.running.audit_faults import by_error, by_hanging


@pytest.fixture
async def scene(container: Container, tenant_id: TenantId, caller_in: CallerIn) -> Scene:
    return await scene_of(container, tenant_id, caller_in)


@pytest.fixture
async def administrator(database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await database.connect("postgres")
    yield connection
    await connection.close()


async def released(scene: Scene) -> Release:
    return await scene.container.gate()(
        caller=scene.asha, action=Action.READ, purpose=PERSONAL_USE, versions=[scene.version]
    )


async def failures(administrator: asyncpg.Connection, scene: Scene) -> list[Any]:
    return list(
        await administrator.fetch(
            "SELECT f.reason, e.type, e.action, e.purpose, f.release_id FROM audit_failures f"
            " JOIN audit_events e ON e.tenant_id = f.tenant_id AND e.id = f.event_id"
            " WHERE f.tenant_id = $1",
            scene.asha.tenant_id,
        )
    )


async def fail(scene: Scene, release: Release, error: Exception) -> None:
    async with scene.container.release_failures().logged(scene.asha, [release.id]):
        raise error


async def test_the_first_failure_of_a_release_is_the_one_that_is_told(
    scene: Scene, administrator: asyncpg.Connection
) -> None:
    release = await released(scene)
    with pytest.raises(Tampered) as first:
        await fail(scene, release, Tampered("cut"))
    with pytest.raises(TimeoutError) as second:
        await fail(scene, release, TimeoutError())
    [told] = await failures(administrator, scene)
    assert tuple(told.values()) == ("altered", "release_failed", "read", PERSONAL_USE, release.id)
    assert not hasattr(first.value, "__notes__")
    assert not hasattr(second.value, "__notes__")


async def test_only_the_owner_and_the_reader_can_open_why(
    scene: Scene, container: Container
) -> None:
    release = await released(scene)
    with pytest.raises(Tampered):
        await fail(scene, release, Tampered("cut"))
    trail = container.audit_trail()
    [event] = [
        each.event.id
        for each in await trail.own_events(scene.asha, after=None, limit=50)
        if each.event.type == "release_failed"
    ]
    [resource] = (await trail.entries(scene.asha, [event]))[event].event.resources
    assert json.loads(resource.evidence or b"") == {
        "release_id": str(release.id),
        "reason": "altered",
    }
    seen_by_ben = (await trail.entries(scene.ben, [event]))[event]
    assert [each.evidence for each in seen_by_ben.event.resources] == [None]
    assert seen_by_ben.body is None


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (DocumentNotFound(), "missing"),
        (RuntimeError("rent 1,250"), "unexpected"),
        (Invalid("wrongly asked"), None),
        (asyncio.CancelledError(), None),
        (GeneratorExit(), None),
    ],
    ids=["missing", "unexpected", "refused", "cancelled", "closed"],
)
async def test_what_counts_as_a_failure_of_the_release(
    scene: Scene,
    administrator: asyncpg.Connection,
    error: BaseException,
    reason: str | None,
) -> None:
    release = await released(scene)
    with pytest.raises(type(error)):
        async with scene.container.release_failures().logged(scene.asha, [release.id]):
            raise error
    told = [each["reason"] for each in await failures(administrator, scene)]
    assert told == ([] if reason is None else [reason])


async def test_nobody_can_fail_what_was_released_to_another(
    scene: Scene, administrator: asyncpg.Connection, container: Container
) -> None:
    release = await released(scene)
    with pytest.raises(Tampered):
        async with container.release_failures().logged(scene.ben, [release.id]):
            raise Tampered("cut")
    assert await failures(administrator, scene) == []


@pytest.mark.parametrize(
    "fault", [by_error("audit_failures"), by_error("audit_events")], ids=["failure", "event"]
)
async def test_an_audit_that_is_down_too_hides_no_error_and_leaves_no_half(
    scene: Scene, administrator: asyncpg.Connection, fault: Any
) -> None:
    release = await released(scene)
    events = await scene.events("release_failed")
    async with fault(administrator):
        with pytest.raises(Tampered) as kept:
            await fail(scene, release, Tampered("cut"))
    assert kept.value.__notes__ == ["That it failed could not be logged: Unavailable."]
    assert await failures(administrator, scene) == []
    assert await scene.events("release_failed") == events


async def test_an_audit_that_hangs_keeps_nobody_for_long(
    scene: Scene, administrator: asyncpg.Connection
) -> None:
    release = await released(scene)
    async with by_hanging("audit_failures")(administrator):
        began = time.monotonic()
        with pytest.raises(Tampered) as kept:
            await fail(scene, release, Tampered("cut"))
        took = time.monotonic() - began
    assert kept.value.__notes__, "it was written after all: nothing hung"
    assert took < scene.container.release_failures().seconds_max + 1.5


async def test_whoever_is_cancelled_goes_at_once_and_it_is_written_all_the_same(
    scene: Scene, administrator: asyncpg.Connection
) -> None:
    release = await released(scene)
    async with by_hanging("audit_failures")(administrator):
        failing = asyncio.create_task(fail(scene, release, Tampered("cut")))
        await asyncio.sleep(0.3)
        assert not failing.done()
        failing.cancel()
        began = time.monotonic()
        with suppress(asyncio.CancelledError):
            await failing
        assert time.monotonic() - began < 0.3
        assert failing.cancelled()
    async with asyncio.timeout(5):
        while not await failures(administrator, scene):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_of_what_was_erased_meanwhile_nothing_is_logged_but_that_it_failed(
    scene: Scene, administrator: asyncpg.Connection, container: Container
) -> None:
    release = await released(scene)
    await container.erase_document()(caller=scene.asha, document_id=scene.document.id)
    with pytest.raises(Tampered):
        await fail(scene, release, Tampered("gone"))
    [told] = await failures(administrator, scene)
    assert told["reason"] == "altered"
    left = await administrator.fetchval(
        "SELECT count(*) FROM audit_openings o JOIN audit_failures f ON f.tenant_id = o.tenant_id"
        " AND f.event_id = o.event_id WHERE o.tenant_id = $1",
        scene.asha.tenant_id,
    )
    assert left == 0


async def test_an_erasure_waits_for_a_failure_that_is_being_logged(
    scene: Scene, administrator: asyncpg.Connection, container: Container
) -> None:
    release = await released(scene)
    async with administrator.transaction():  # it may be read, and not be written
        await administrator.execute("LOCK TABLE audit_failures IN SHARE MODE")
        failing = asyncio.create_task(fail(scene, release, Tampered("cut")))
        await asyncio.sleep(0.3)
        erase = container.erase_document()
        erasing = asyncio.create_task(erase(caller=scene.asha, document_id=scene.document.id))
        await asyncio.sleep(0.3)
        assert not erasing.done()
    with pytest.raises(Tampered):
        await failing
    receipt = await erasing
    assert not any(receipt.erasure.residue.values()), receipt.erasure.residue
    assert len(await failures(administrator, scene)) == 1


async def test_several_releases_fail_together(
    scene: Scene, administrator: asyncpg.Connection, container: Container
) -> None:
    both = [(await released(scene)).id for _ in range(2)]
    log: LogFailures = container.release_failures()
    await log.log(scene.asha, both, Tampered("cut"), FailureReason.ALTERED)
    told = {each["release_id"] for each in await failures(administrator, scene)}
    assert told == set(both)
