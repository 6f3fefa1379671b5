"""The doctor finds a healthy deployment healthy, and names what was broken in another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from uuid import uuid4

import asyncpg
import pytest

from application.audit.endings import FenceClosed
from domain.audit.ending import Ending, EndingKind
from domain.identity import PersonId, TenantId
from entrypoints.cli.deployment import beside_a_server
from entrypoints.cli.doctor import gate, isolation
from entrypoints.cli.doctor.command import EXAMINATIONS, examine
from entrypoints.settings import Settings
from tests.integration.running.program import Program, command

BREAKS = (
    "ALTER TABLE collections DISABLE ROW LEVEL SECURITY",
    "GRANT SELECT ON data_keys TO strongroom_app",
    "ALTER TABLE consent_events DISABLE TRIGGER append_only",
)
_READABLE = """
    SELECT string_agg(attname, ', ') FROM pg_attribute
    WHERE attrelid = 'data_keys'::regclass AND attnum > 0
      AND has_column_privilege('strongroom_app', attrelid, attnum, 'SELECT')
"""

_WRITABLE = """
    SELECT string_agg(attname, ', ') FROM pg_attribute
    WHERE attrelid = 'audit_events'::regclass AND attnum > 0
      AND has_column_privilege('strongroom_app', attrelid, attnum, 'INSERT')
"""
ATTACKS = (isolation.examine_roles, isolation.examine, gate.examine)


@asynccontextmanager
async def _broken(program: Program) -> AsyncIterator[None]:
    connection = await asyncpg.connect(program.database_url)
    try:
        readable = await connection.fetchval(_READABLE)
        for each in BREAKS:
            await connection.execute(each)
        yield
        for each in (
            "ALTER TABLE collections ENABLE ROW LEVEL SECURITY",
            "REVOKE SELECT ON data_keys FROM strongroom_app",
            f"GRANT SELECT ({readable}) ON data_keys TO strongroom_app",
            "ALTER TABLE consent_events ENABLE TRIGGER append_only",
        ):
            await connection.execute(each)
    finally:
        await connection.close()


@pytest.mark.slow
async def test_a_deployment_is_examined_beside_its_server(own: Program) -> None:
    await own.running()
    status, said, _ = await command("doctor", directory=own.data_dir, data_dir=own.data_dir)
    assert status == 0, said
    assert "BROKEN" not in said
    assert "All of it held" in said
    assert all(title in said for title, _ in EXAMINATIONS)
    connection = await asyncpg.connect(own.database_url)
    try:
        left = await connection.fetch(
            "SELECT email FROM people WHERE erased_at IS NULL AND kind = 'person'"
        )
        documents = await connection.fetchval("SELECT count(*) FROM documents")
    finally:
        await connection.close()
    assert [row[0] for row in left] == []
    assert documents == 0


async def test_what_is_broken_is_named(own: Program, capsys: pytest.CaptureFixture[str]) -> None:
    await own.running()
    settings = Settings(data_dir=own.data_dir)
    examinations = [each for each in EXAMINATIONS if each[1] in ATTACKS]
    async with _broken(own):
        assert await examine(settings, examinations=examinations) == 1
    said = capsys.readouterr().out
    found = [line for line in said.splitlines() if "BROKEN" in line]
    assert any("not enabled and forced on collections" in line for line in found), said
    assert "strongroom_app: SELECT count(*) FROM collections WHERE tenant_id = $1" in said
    assert "strongroom_owner: UPDATE consent_events SET tenant_id = tenant_id" in said
    assert any("wrapped keys" in line and line.endswith("got: 1") for line in found), said
    assert await examine(settings, examinations=examinations) == 0, capsys.readouterr().out


async def test_what_keeps_it_from_examining_is_named_to_the_end(
    own: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log that cannot be written is what it is there to find."""
    await own.running()
    settings = Settings(data_dir=own.data_dir)
    examinations = [each for each in EXAMINATIONS if each[1] in ATTACKS]
    connection = await asyncpg.connect(own.database_url)
    try:
        columns = await connection.fetchval(_WRITABLE)
        await connection.execute("REVOKE INSERT ON audit_events FROM strongroom_app")
        assert await examine(settings, examinations=examinations) == 1
        await connection.execute(f"GRANT INSERT ({columns}) ON audit_events TO strongroom_app")
    finally:
        await connection.close()
    said = capsys.readouterr().out
    assert "the log cannot be written: not permitted" in said
    assert "doctor-1 and doctor-2 could not be erased" in said
    assert "did not hold" in said.splitlines()[-1]


async def test_a_restored_database_is_left_alone(own: Program) -> None:
    if own.is_running:
        await own.stop()
    settings = Settings(data_dir=own.data_dir)
    since = Ending(
        id=uuid4(),
        tenant_id=TenantId(uuid4()),
        kind=EndingKind.DOCUMENT,
        what=str(uuid4()),
        by=PersonId(uuid4()),
        detail=None,
        at=datetime.now(UTC),
    )
    async with beside_a_server(settings) as container:
        await container.ending_journal().add([since])
        size = "SELECT count(*) FROM people"
        connection = await asyncpg.connect(own.database_url)
        try:
            before = await connection.fetchval(size)
            with pytest.raises(FenceClosed):
                await examine(settings)
            assert await connection.fetchval(size) == before
        finally:
            await connection.close()
            rmtree(settings.fence_directory)


async def test_where_there_is_nothing_yet_it_says_so(tmp_path: Path) -> None:
    status, said, _ = await command("doctor", directory=tmp_path, data_dir=tmp_path / "none")
    assert (status, "nothing to examine" in said) == (1, True)
    assert not (tmp_path / "none").exists()
