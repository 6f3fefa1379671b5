"""Sessions that are over and tokens that ran out go; whatever still works stays."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from adapters.identifiers import uuid7
from adapters.postgres.engine import Database, transaction
from adapters.postgres.tenants import create_tenant
from application.accounts.ports import SignedIn, Tenant
from domain.accounts.session import RefreshTokenNotValid
from tests.integration.accounts.front_door import FrontDoor

SHORT = timedelta(milliseconds=1)


async def _counts(door: FrontDoor) -> tuple[int, int]:
    ((sessions,),) = await door.rows("SELECT count(*) FROM sessions")
    ((tokens,),) = await door.rows("SELECT count(*) FROM refresh_tokens")
    return sessions, tokens


async def _end(door: FrontDoor, signed_in: SignedIn, *, ago: str) -> None:
    authenticated = await door.access_tokens.verify(signed_in.access_token)
    await door.sign_out(authenticated=authenticated)
    async with transaction(door.engine, door.tenant.id) as connection:
        await connection.execute(
            text(f"UPDATE sessions SET ended_at = ended_at - interval '{ago}' WHERE id = :id"),
            {"id": authenticated.session_id},
        )


async def test_what_works_stays_and_what_ran_out_goes(door: FrontDoor) -> None:
    await door.join()
    living = await door.enter()
    forgotten = replace(door, sign_in=replace(door.sign_in, refresh_token_lifetime=SHORT))
    await forgotten.enter()
    await _end(door, await door.enter(), ago="25 hours")
    await _end(door, await door.enter(), ago="23 hours")
    assert await _counts(door) == (4, 4)
    assert await door.sessions.sweep() >= 4
    assert await _counts(door) == (2, 2), "the one that works, and the one that ended today"
    assert await door.refresh_session(token=living.refresh_token)


async def test_a_session_outlives_the_tokens_of_it_that_ran_out(door: FrontDoor) -> None:
    await door.join()
    first = await door.enter()
    second = await door.refresh_session(token=first.refresh_token)
    async with transaction(door.engine, door.tenant.id) as connection:
        await connection.execute(
            text("UPDATE refresh_tokens SET expires_at = used_at WHERE used_at IS NOT NULL")
        )
    await door.sessions.sweep()
    assert await _counts(door) == (1, 1)
    with pytest.raises(RefreshTokenNotValid):
        await door.refresh_session(token=first.refresh_token)
    assert await door.refresh_session(token=second.refresh_token)


async def test_every_tenant_is_swept_and_the_application_deletes_nothing_itself(
    door: FrontDoor, database: Database
) -> None:
    name = f"other-{uuid7()}"
    other = await create_tenant(database, name=name, sign_up_open=True)
    elsewhere = replace(door, tenant=Tenant(id=other, name=name, sign_up_open=True))
    for each in (door, elsewhere):
        await each.join()
        await _end(each, await each.enter(), ago="25 hours")
    await door.sessions.sweep()
    assert await _counts(door) == await _counts(elsewhere) == (0, 0)
    for table in ("sessions", "refresh_tokens"):
        with pytest.raises(DBAPIError, match="permission denied"):
            await door.rows(f"DELETE FROM {table}")


async def test_sweeping_beside_those_who_refresh_harms_neither(door: FrontDoor) -> None:
    await door.join()
    held = [await door.enter() for _ in range(4)]

    async def refreshing(signed_in: SignedIn) -> None:
        for _ in range(10):
            signed_in = await door.refresh_session(token=signed_in.refresh_token)

    async def sweeping() -> None:
        for _ in range(20):
            await door.sessions.sweep()

    await asyncio.gather(sweeping(), sweeping(), *(refreshing(each) for each in held))
    assert await _counts(door) == (4, 44)
