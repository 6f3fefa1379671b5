"""Is the audit row the key, and is nothing disclosed where it cannot be written?"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from adapters.postgres.engine import APPLICATION, OWNER, transaction
from domain.errors import Unavailable
from domain.identity import Action, Caller, ReleaseId
from domain.vault.document import Document
from entrypoints.cli.doctor.findings import Finding, held_if
from entrypoints.cli.doctor.patient import CONTENT, PURPOSE, Patient, read_with
from entrypoints.container import Container

ATTEMPTS = 10
_TAKE = text("SELECT count(*) FROM take_deks(:release)")
_WRAPPED = ("SELECT wrapped FROM data_keys", "SELECT wrapped FROM wrapping_keys")


async def examine(patient: Patient) -> Sequence[Finding]:
    owner, grantee = await patient.person(), await patient.person()
    document = await patient.document(owner)
    await patient.share(owner, document, grantee)
    read = await patient.read(grantee, document)
    return [
        held_if(read == CONTENT, "whoever was granted a document reads it"),
        await _keys(patient, grantee, document),
        await _failing(patient, grantee, document),
        await _hanging(patient, grantee, document),
    ]


async def _keys(patient: Patient, caller: Caller, document: Document) -> Finding:
    """Wrapped keys, in every way that the application's role could try."""
    container, taken, attempts = patient.container, 0, 0
    for select in _WRAPPED:
        attempts += 1
        taken += await _allowed(container, caller, select)
    release = await container.gate()(
        caller=caller, action=Action.READ, purpose=PURPOSE, versions=[document.current.ref]
    )
    stranger = await patient.person()
    for asking in (caller, stranger, await patient.person(patient.tenants[1])):
        attempts += 1
        taken += await _taken(container, asking, release.id)
    told = (
        f"{attempts} attempts at wrapped keys without an unused release of one's own, got: {taken}"
    )
    return held_if(not taken, told)


async def _taken(container: Container, caller: Caller, release_id: ReleaseId) -> int:
    """How many keys. A second attempt against one release is refused by a unique key."""
    try:
        async with transaction(container.engine(), caller.tenant_id, caller.person_id) as own:
            keys: int = (await own.execute(_TAKE, {"release": release_id})).scalar_one()
    except DBAPIError:
        return 0
    return keys


async def _allowed(container: Container, caller: Caller, select: str) -> bool:
    try:
        async with transaction(container.engine(), caller.tenant_id, caller.person_id) as own:
            await own.execute(text(select))
    except DBAPIError:
        return False
    return True


async def _failing(patient: Patient, caller: Caller, document: Document) -> Finding:
    """The insert of the audit row fails; on connections of the doctor's own, and nowhere else."""
    async with _without_a_log(patient.container) as container:
        disclosed, seconds = await _attempts(container, caller, document, ATTEMPTS)
    told = (
        f"audit row refused: {ATTEMPTS} reads, disclosed {disclosed}, the slowest {seconds:.2f} s"
    )
    return held_if(not disclosed, told)


async def _hanging(patient: Patient, caller: Caller, document: Document) -> Finding:
    """The insert hangs, behind a lock on the doctor's tenant that a foreign key waits for."""
    connection = await patient.container.database().connect(OWNER)
    try:
        async with connection.transaction():
            await connection.execute(
                "SELECT set_config('app.tenant', $1, true)", str(caller.tenant_id)
            )
            await connection.execute(
                "SELECT FROM tenants WHERE tenant_id = $1 FOR UPDATE", caller.tenant_id
            )
            disclosed, seconds = await _attempts(patient.container, caller, document, 1)
    finally:
        await connection.close()
    bound = patient.container.settings().gate_seconds_max + 1
    told = f"audit row hanging: 1 read, disclosed {disclosed}, after {seconds:.2f} s"
    return held_if(not disclosed and seconds <= bound, told)


async def _attempts(
    container: Container, caller: Caller, document: Document, count: int
) -> tuple[int, float]:
    """How many disclosed something, and how long the slowest took, in seconds."""
    disclosed, slowest = 0, 0.0
    for _ in range(count):
        began = time.monotonic()
        try:
            await read_with(container, caller, document)
            disclosed += 1
        except Unavailable:
            pass
        slowest = max(slowest, time.monotonic() - began)
    return disclosed, slowest


@asynccontextmanager
async def _without_a_log(outer: Container) -> AsyncIterator[Container]:
    """As the container, but with sessions that find another table where events belong."""
    engine = outer.database().engine(APPLICATION, pool_size=1)

    @event.listens_for(engine.sync_engine, "connect")
    def shadow(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("CREATE TEMP TABLE audit_events (LIKE public.audit_events, CHECK (false))")
        cursor.close()
        connection.commit()

    container = Container(settings=outer.settings(), database=outer.database())
    container.key_service.override(outer.key_service())
    container.engine.override(engine)
    try:
        yield container
    finally:
        await engine.dispose()
