"""Ways in which the log cannot be written, each real and each undone at the end."""

from __future__ import annotations

import asyncio
import os
import pwd
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from adapters.postgres.embedded import SYSTEM_USER

AUDIT_TABLES = ("audit_events", "audit_bodies", "audit_resources", "audit_openings")
DISK_BYTES = 4 * 1024 * 1024

Execute = Callable[[str], object]
Fault = Callable[[asyncpg.Connection], AbstractAsyncContextManager[None]]


def by_error(table: str) -> Fault:
    """Whatever is inserted is refused, as by a constraint or a broken index."""

    @asynccontextmanager
    async def fault(administrator: asyncpg.Connection) -> AsyncIterator[None]:
        await administrator.execute(
            "CREATE OR REPLACE FUNCTION break_the_log() RETURNS trigger LANGUAGE plpgsql AS"
            " $$BEGIN RAISE EXCEPTION 'broken for a test'; END$$;"
            f"CREATE TRIGGER broken BEFORE INSERT ON {table}"
            " FOR EACH ROW EXECUTE FUNCTION break_the_log()"
        )
        try:
            yield
        finally:
            await administrator.execute("DROP FUNCTION break_the_log CASCADE")

    return fault


def by_revocation(privilege: str, thing: str) -> Fault:
    @asynccontextmanager
    async def fault(administrator: asyncpg.Connection) -> AsyncIterator[None]:
        await administrator.execute(f"REVOKE {privilege} ON {thing} FROM strongroom_app")
        try:
            yield
        finally:
            await administrator.execute(f"GRANT {privilege} ON {thing} TO strongroom_app")

    return fault


def by_hanging(table: str) -> Fault:
    """Somebody holds the table, and does not let go."""

    @asynccontextmanager
    async def fault(administrator: asyncpg.Connection) -> AsyncIterator[None]:
        async with administrator.transaction():
            await administrator.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield

    return fault


def by_full_disk(place: Path) -> Fault:
    """The tables of the log lie on a small file system of their own, which is filled to the brim.

    Mounting takes root. Elsewhere this skips, and says so.
    """

    @asynccontextmanager
    async def fault(administrator: asyncpg.Connection) -> AsyncIterator[None]:
        with _small_disk(place) as disk:
            await administrator.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
            try:
                await _move(administrator, "small")
                filler = disk / "filler"
                await asyncio.to_thread(_fill, filler)
                try:
                    yield
                finally:
                    filler.unlink()
            finally:
                await _move(administrator, "pg_default")
                await administrator.execute("DROP TABLESPACE small")

    return fault


async def _move(administrator: asyncpg.Connection, tablespace: str) -> None:
    for table in AUDIT_TABLES:
        await administrator.execute(f"ALTER TABLE {table} SET TABLESPACE {tablespace}")


class _small_disk:
    def __init__(self, place: Path) -> None:
        self._disk = place / "disk"

    def __enter__(self) -> Path:
        if os.geteuid() != 0:
            pytest.skip("a full disk needs a file system of its own, and only root mounts one")
        self._disk.mkdir()
        self._disk.parent.chmod(0o755)
        options = f"size={DISK_BYTES},mode=0700,uid={pwd.getpwnam(SYSTEM_USER).pw_uid}"
        mount = ["mount", "-t", "tmpfs", "-o", options, "strongroom-test", str(self._disk)]
        mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
        if mounted.returncode:
            pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
        return self._disk

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", str(self._disk)], check=True)


def _fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as filler:
        while True:
            filler.write(b"\0" * 4096)
