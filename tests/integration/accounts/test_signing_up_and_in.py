"""Accounts and passwords on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.identifiers import uuid7
from adapters.passwords.argon2id import Argon2Cost, Argon2idPasswords
from adapters.postgres.engine import Database
from adapters.postgres.tenants import create_tenant
from domain.accounts.password import Password
from domain.accounts.person import CredentialsWrong, EmailTaken, PersonUnknown, SignUpClosed
from domain.errors import Invalid, TooMany
from domain.identity import Role
from tests.integration.accounts.front_door import HERE, PASSWORD, FrontDoor


@pytest.fixture
def asked(engine: AsyncEngine) -> Iterator[list[str]]:
    """Grows by every statement that the database is asked."""
    asked: list[str] = []

    def record(_c: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(engine.sync_engine, "before_cursor_execute", record)
    yield asked
    event.remove(engine.sync_engine, "before_cursor_execute", record)


async def test_whoever_signed_up_can_sign_in(door: FrontDoor) -> None:
    person = await door.join("Asha@Example.org")
    assert (person.email, person.role) == ("asha@example.org", Role.MEMBER)
    signed_in = await door.enter("ASHA@example.org")
    authenticated = await door.access_tokens.verify(signed_in.access_token)
    assert authenticated.caller.person_id == person.id
    assert authenticated.caller.tenant_id == door.tenant.id
    assert signed_in.expires_in_seconds == 600
    assert await door.accounts.own(authenticated.caller) == (person, door.tenant)


async def test_neither_password_nor_refresh_token_is_stored(door: FrontDoor) -> None:
    await door.join()
    signed_in = await door.enter()
    ((password_hash,),) = await door.rows("SELECT password_hash FROM people")
    ((token_hash,),) = await door.rows("SELECT token_hash FROM refresh_tokens")
    assert password_hash.startswith("$argon2id$")
    assert PASSWORD not in password_hash
    assert len(token_hash) == 32
    assert signed_in.refresh_token.encode() not in token_hash


async def test_sixteen_who_want_one_address_at_once_make_one_account(door: FrontDoor) -> None:
    made = await asyncio.gather(*(door.join() for _ in range(16)), return_exceptions=True)
    assert sum(isinstance(each, EmailTaken) for each in made) == 15
    assert await door.rows("SELECT count(*) FROM people") == [(1,)]


async def test_an_address_may_have_an_account_in_each_tenant(
    door: FrontDoor, database: Database
) -> None:
    await door.join()
    other = f"other-{uuid7()}"
    await create_tenant(database, name=other, sign_up_open=True)
    await door.sign_up(
        tenant=other, email="asha@example.org", password="another phrase", name="A", address=HERE
    )
    with pytest.raises(CredentialsWrong):
        await door.sign_in(tenant=other, email="asha@example.org", password=PASSWORD, address=HERE)


async def test_a_closed_tenant_and_none_refuse_alike(door: FrontDoor, database: Database) -> None:
    closed = f"closed-{uuid7()}"
    await create_tenant(database, name=closed, sign_up_open=False)
    refusals = []
    for tenant in (closed, f"none-{uuid7()}"):
        with pytest.raises(SignUpClosed) as refused:
            await door.sign_up(
                tenant=tenant, email="a@example.org", password=PASSWORD, name="A", address=HERE
            )
        refusals.append((refused.value.message, refused.value.field))
    assert refusals[0] == refusals[1]


async def test_a_weak_password_costs_no_hash_and_leaves_nothing(
    door: FrontDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = _hashes(monkeypatch)
    with pytest.raises(Invalid):
        await door.sign_up(
            tenant=door.tenant.name, email="a@b.org", password="short", name="A", address=HERE
        )
    assert hashed == []
    assert await door.rows("SELECT count(*) FROM people") == [(0,)]


@pytest.mark.parametrize("stranger", ["unknown person", "unknown tenant"])
async def test_a_stranger_and_a_wrong_password_take_the_same_steps(
    door: FrontDoor, monkeypatch: pytest.MonkeyPatch, asked: list[str], stranger: str
) -> None:
    """Structure instead of a stopwatch: the same statements, one hash at the same cost."""
    await door.join()
    tenant = door.tenant.name if stranger == "unknown person" else f"none-{uuid7()}"
    hashed = _hashes(monkeypatch)
    asked.clear()
    steps = []
    for name, email in ((door.tenant.name, "asha@example.org"), (tenant, "nobody@example.org")):
        with pytest.raises(CredentialsWrong) as refused:
            await door.sign_in(tenant=name, email=email, password="wrong phrase", address=HERE)
        steps.append((list(asked), list(hashed), refused.value.message, refused.value.field))
        asked.clear()
        hashed.clear()
    assert steps[0] == steps[1]
    assert len(steps[0][1]) == 1


async def test_a_limited_attempt_costs_no_hash_and_no_question(
    door: FrontDoor, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    await door.join()
    for _ in range(5):
        with pytest.raises(CredentialsWrong):
            await door.enter(password="wrong phrase")
    hashed = _hashes(monkeypatch)
    asked.clear()
    with pytest.raises(TooMany):
        await door.enter()
    assert (hashed, asked) == ([], [])


async def test_a_limit_holds_for_people_that_do_not_exist_as_well(door: FrontDoor) -> None:
    for _ in range(5):
        with pytest.raises(CredentialsWrong):
            await door.enter("nobody@example.org")
    with pytest.raises(TooMany):
        await door.enter("nobody@example.org")


async def test_the_right_password_ends_a_series_of_wrong_ones(door: FrontDoor) -> None:
    await door.join()
    for _ in range(2):
        for _ in range(4):
            with pytest.raises(CredentialsWrong):
                await door.enter(password="wrong phrase")
        await door.enter()


async def test_one_address_cannot_try_everybody(door: FrontDoor) -> None:
    for number in range(20):
        with pytest.raises(CredentialsWrong):
            await door.enter(f"person-{number}@example.org")
    with pytest.raises(TooMany):
        await door.enter("person-21@example.org")


async def test_a_hash_of_an_older_cost_is_replaced_at_sign_in(door: FrontDoor) -> None:
    await door.join()
    before = await door.rows("SELECT password_hash FROM people")
    dearer = Argon2idPasswords(Argon2Cost(memory_kib=128, passes=1))
    sign_in = replace(door.sign_in, passwords=dearer)
    attempt: dict[str, Any] = {"tenant": door.tenant.name, "email": "asha@example.org"}
    try:
        await sign_in(**attempt, password=PASSWORD, address=HERE)
        after = await door.rows("SELECT password_hash FROM people")
        assert before != after
        assert "m=128" in after[0].password_hash
        await sign_in(**attempt, password=PASSWORD, address=HERE)
        assert await door.rows("SELECT password_hash FROM people") == after
    finally:
        dearer.close()


async def test_a_role_is_given_and_shows_in_the_next_token(door: FrontDoor) -> None:
    await door.join()
    signed_in = await door.enter()
    given = await door.set_role(
        tenant=door.tenant.name, email="Asha@example.org", role=Role.AUDITOR
    )
    assert given.role is Role.AUDITOR
    refreshed = await door.refresh_session(token=signed_in.refresh_token)
    assert (await door.access_tokens.verify(refreshed.access_token)).caller.role is Role.AUDITOR


async def test_a_role_for_nobody_is_refused(door: FrontDoor) -> None:
    for tenant in (door.tenant.name, f"none-{uuid7()}"):
        with pytest.raises(PersonUnknown):
            await door.set_role(tenant=tenant, email="nobody@example.org", role=Role.ADMIN)


def _hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by a word for every hash that is computed or compared from now on."""
    computed: list[str] = []
    hash_, matches = Argon2idPasswords.hash, Argon2idPasswords.matches

    async def counted_hash(self: Argon2idPasswords, password: Password) -> str:
        computed.append("hash")
        return await hash_(self, password)

    async def counted_matches(
        self: Argon2idPasswords, password: Password, password_hash: str | None
    ) -> bool:
        computed.append("comparison")
        return await matches(self, password, password_hash)

    monkeypatch.setattr(Argon2idPasswords, "hash", counted_hash)
    monkeypatch.setattr(Argon2idPasswords, "matches", counted_matches)
    return computed
