"""What keeps Strongroom from starting is said in one line that helps, and quickly."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx2
import pytest

from tests.integration.running.people import signed_up
from tests.integration.running.program import Program, command

pytestmark = pytest.mark.slow

QUICK_SECONDS = 20.0  # three when nothing else runs on the machine


async def test_a_data_directory_has_one_server_at_a_time(own: Program) -> None:
    await own.running()
    exit_status, said, seconds = await command(
        "serve", directory=own.data_dir.parent, data_dir=own.data_dir, port=0
    )
    assert exit_status == 1
    assert str(own.data_dir) in said
    assert f"process id {own.pid}" in said
    assert "Traceback" not in said
    assert seconds < QUICK_SECONDS
    async with own.client() as http:
        assert (await http.get("/health/ready")).status_code == 200


async def test_migrations_may_be_started_several_times_at_once(own: Program) -> None:
    await own.running()
    name = f"external_{uuid4().hex}"
    connection = await asyncpg.connect(own.database_url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    url = own.database_url_of(name)
    runs = (command("migrate", directory=own.data_dir, database_url=url) for _ in range(4))
    for exit_status, said, _ in await asyncio.gather(*runs):
        assert exit_status == 0, said
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetchval(
            "SELECT count(*) FROM pg_tables WHERE tablename='grants'"
        )
    finally:
        await connection.close()
    assert tables == 1


@pytest.mark.parametrize(
    ("broken", "mended", "named"),
    [
        (
            "ALTER TABLE grants NO FORCE ROW LEVEL SECURITY",
            "ALTER TABLE grants FORCE ROW LEVEL SECURITY",
            "row-level security is not enabled and forced on grants",
        ),
        (
            "GRANT SELECT (wrapped) ON data_keys TO strongroom_app",
            "REVOKE SELECT (wrapped) ON data_keys FROM strongroom_app",
            "the application may read wrapped keys in data_keys",
        ),
        (
            "ALTER TABLE audit_events DISABLE TRIGGER append_only",
            "ALTER TABLE audit_events ENABLE TRIGGER append_only",
            "the trigger append_only on audit_events is missing or disabled",
        ),
    ],
    ids=["security not forced", "wrapped keys readable", "log not append-only"],
)
async def test_a_database_that_would_not_hold_is_not_served_from(
    own: Program, place: Path, broken: str, mended: str, named: str
) -> None:
    """All that the guard knows is in tests/integration/test_guard.py; here, that it is asked."""
    await own.running()
    connection = await asyncpg.connect(own.database_url)
    try:
        await connection.execute(broken)
        exit_status, said, _ = await command(
            "serve", directory=place, data_dir=place / "data", database_url=own.database_url
        )
    finally:
        await connection.execute(mended)
        await connection.close()
    assert exit_status == 1
    last = said.strip().split("\n")[-1]
    assert last == f"strongroom: The database is not safe to serve from: {named}."
    assert "Traceback" not in said
    assert not (place / "data" / "keyring.json").exists()


async def test_a_port_that_is_taken_is_named(own: Program, place: Path) -> None:
    if own.is_running:
        await own.stop()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        exit_status, said, seconds = await command(
            "serve", directory=place, data_dir=own.data_dir, port=port
        )
    assert exit_status == 1
    last = said.strip().split("\n")[-1]
    assert last.startswith("strongroom: ")
    assert str(port) in last
    assert "STRONGROOM_PORT" in last
    assert "Traceback" not in said
    assert seconds < QUICK_SECONDS


async def test_a_lost_keyring_is_not_replaced_by_one_that_opens_nothing(own: Program) -> None:
    await own.running()
    async with signed_up(own, "Asha") as asha:
        await asha.upload("What only the lost keyring opens.")
    await own.stop()
    keyring = own.data_dir / "keyring.json"
    kept = keyring.read_bytes()
    keyring.unlink()
    exit_status, said, _ = await command("serve", directory=own.data_dir, data_dir=own.data_dir)
    assert exit_status == 1
    assert not keyring.exists()
    keyring.touch(mode=0o600)
    keyring.write_bytes(kept)
    last = said.strip().split("\n")[-1]
    assert str(keyring) in last
    assert "backup" in last
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("setting", "value", "allowed"),
    [
        ("port", "70000", "65535"),
        ("prot", "8000", "Did you mean port"),
        ("database_url", "mysql://elsewhere", "postgres(ql)?://"),
    ],
)
async def test_a_wrong_setting_is_named_with_its_source_and_what_is_allowed(
    place: Path, setting: str, value: str, allowed: str
) -> None:
    settings: dict[str, object] = {"data_dir": place / "data", setting: value}
    exit_status, said, seconds = await command("serve", directory=place, **settings)
    assert exit_status == 1
    assert said.startswith("strongroom: ")
    assert setting in said
    assert f"STRONGROOM_{setting.upper()}" in said
    assert allowed in said
    assert said.count("\n") == 1
    assert not (place / "data").exists()
    assert seconds < QUICK_SECONDS


async def test_a_wrong_setting_in_the_file_is_named_with_the_file(place: Path) -> None:
    (place / "strongroom.toml").write_text('drain_seconds_max = "soon"\n')
    exit_status, said, _ = await command("serve", directory=place, data_dir=place / "data")
    assert exit_status == 1
    assert "drain_seconds_max" in said
    assert "strongroom.toml" in said
    assert "soon" in said


async def test_a_database_that_is_not_there_is_said_plainly(place: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = httpx2.URL(f"postgresql://asha:hush@127.0.0.1:{nobody.getsockname()[1]}/strongroom")
        exit_status, said, seconds = await command(
            "serve", directory=place, data_dir=place / "data", database_url=url
        )
    assert exit_status == 1
    assert said.strip().split("\n")[-1].startswith("strongroom: ")
    assert "hush" not in said
    assert "Traceback" not in said
    assert seconds < QUICK_SECONDS
