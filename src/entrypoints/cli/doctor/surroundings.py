"""What the deployment stands on: PostgreSQL's promises, clocks, keys, files, the restore fence."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import Sequence

from sqlalchemy import text

from adapters.postgres.engine import APPLICATION
from application.ports import Tampered
from entrypoints.cli.doctor.findings import Finding, held_if, sound_if
from entrypoints.cli.doctor.patient import Patient
from entrypoints.cli.fence import told
from entrypoints.settings import Settings

CLOCK_SECONDS_MAX = 1.0
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


async def examine(patient: Patient) -> Sequence[Finding]:
    settings = patient.container.settings()
    return [
        *await _postgres(patient),
        await _clock(patient),
        *await _keys(patient),
        *await asyncio.to_thread(_files, settings),
        await _fence(patient),
    ]


async def _postgres(patient: Patient) -> Sequence[Finding]:
    connection = await patient.container.database().connect(APPLICATION)
    try:
        version = await connection.fetchval("SHOW server_version")
        off = [
            name
            for name in _DURABLE
            if await connection.fetchval(f"SHOW {name}") in ("off", "local")
        ]
        checksums = await connection.fetchval("SHOW data_checksums")
    finally:
        await connection.close()
    return [
        held_if(
            "fsync" not in off,
            f"PostgreSQL {version} waits until what it acknowledges is on its disk",
        ),
        sound_if(
            not off,
            "a crash of the database's machine loses nothing that was acknowledged",
            otherwise=f"a crash may lose what was acknowledged, because of {', '.join(off)}",
        ),
        sound_if(
            checksums == "on",
            "pages have checksums",
            otherwise="data_checksums is off: a page that decays on the disk is not noticed",
        ),
    ]


async def _clock(patient: Patient) -> Finding:
    """Grants are judged by the database's clock; tokens by this machine's."""
    async with patient.container.engine().connect() as connection:
        began = time.time()
        there = (await connection.execute(text("SELECT clock_timestamp()"))).scalar_one()
        here = (began + time.time()) / 2
    apart = abs(there.timestamp() - here)
    return sound_if(
        apart <= CLOCK_SECONDS_MAX,
        f"the clocks of the database and of this machine are {apart * 1000:.0f} ms apart",
        otherwise=f"the clocks of the database and of this machine are {apart:.1f} s apart",
    )


async def _keys(patient: Patient) -> Sequence[Finding]:
    keys = patient.container.key_service()
    secret = await keys.generate()
    began = time.monotonic()
    wrapped = await keys.wrap(secret, (b"doctor", b"1"))
    opened = await keys.unwrap(wrapped, (b"doctor", b"1"))
    milliseconds = (time.monotonic() - began) * 1000
    try:
        await keys.unwrap(wrapped, (b"doctor", b"2"))
    except Tampered:
        bound = True
    else:
        bound = False
    return [
        held_if(
            opened.secret == secret.secret and secret.secret not in wrapped,
            f"the key service wraps and unwraps a key in {milliseconds:.1f} ms",
        ),
        held_if(bound, "a wrapped key does not open in the place of another"),
    ]


def _files(settings: Settings) -> Sequence[Finding]:
    directory = settings.data_dir.expanduser().resolve()
    wanted = {
        directory / "keyring.json": 0o077,
        settings.fence_directory: 0o077,
        settings.fence_directory / "endings.journal": 0o077,
    }
    open_to_others = [
        path.name
        for path, others in wanted.items()
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & others
    ]
    apart = directory not in settings.fence_directory.parents
    return [
        held_if(
            not open_to_others,
            "keys and journal are for their owner alone"
            + (f", but not {', '.join(open_to_others)}" if open_to_others else ""),
        ),
        sound_if(
            apart or settings.database_url is not None,
            "the journal of the restore fence lies apart from the database",
            otherwise="the journal of the restore fence lies beside the database: a restore of both"
            " is noticed by witnesses alone (STRONGROOM_FENCE_DIR)",
        ),
        sound_if(
            settings.key_service != "keyring" or settings.keyring_passphrase is not None,
            "the root key is sealed",
            otherwise="the keyring has no passphrase: whoever copies its file has the root key",
        ),
    ]


async def _fence(patient: Patient) -> Finding:
    fence = await patient.container.look_at_fence()()
    return held_if(not fence.closed, f"the restore fence: {told(fence)}")
