"""Passwords hashed by Argon2id: few at once, and the same work whether or not someone exists."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from argon2 import PasswordHasher

from adapters.passwords.argon2id import Argon2Cost, Argon2idPasswords, PasswordsBusy
from application.accounts.ports import Passwords
from domain.accounts.password import given_password

CHEAP = Argon2Cost(memory_kib=64, passes=1)
RIGHT, WRONG = given_password("correct horse"), given_password("battery staple")


@pytest.fixture
def passwords() -> Iterator[Argon2idPasswords]:
    passwords = Argon2idPasswords(CHEAP)
    yield passwords
    passwords.close()


async def test_only_the_right_password_matches(passwords: Passwords) -> None:
    kept = await passwords.hash(RIGHT)
    assert await passwords.matches(RIGHT, kept)
    assert not await passwords.matches(WRONG, kept)
    assert kept != await passwords.hash(RIGHT)
    assert "horse" not in kept


async def test_nobody_matches_no_password(passwords: Passwords) -> None:
    assert not await passwords.matches(RIGHT, None)


@pytest.mark.parametrize("kept", ["-", "", "$argon2id$v=19$m=64", "$2b$12$abcdefghijklmnopqrstuv"])
async def test_what_is_no_hash_matches_nothing(passwords: Passwords, kept: str) -> None:
    assert not await passwords.matches(RIGHT, kept)


async def test_by_default_a_hash_costs_what_owasp_asks() -> None:
    passwords = Argon2idPasswords()
    try:
        kept = await passwords.hash(RIGHT)
    finally:
        passwords.close()
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_a_hash_of_another_cost_is_outdated(passwords: Passwords) -> None:
    assert not passwords.is_outdated(await passwords.hash(RIGHT))
    assert passwords.is_outdated(PasswordHasher(1, 128, 1).hash(RIGHT.text))


async def test_an_unknown_person_costs_one_comparison_like_a_known_one(
    passwords: Argon2idPasswords, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await passwords.hash(RIGHT)
    compared: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, kept: str, password: str) -> Any:
        compared.append(kept.rpartition("p=1$")[0])
        return verify(self, kept, password)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    await passwords.matches(WRONG, kept)
    await passwords.matches(WRONG, None)
    assert len(compared) == 2
    assert len(set(compared)) == 1, "both at the same cost"


async def test_a_flood_is_hashed_two_at_a_time_and_the_rest_is_turned_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passwords = Argon2idPasswords(CHEAP, at_once_max=2, waiting_max=3)
    running, most, gate, lock = 0, 0, threading.Event(), threading.Lock()
    hash_ = PasswordHasher.hash

    def slow(self: PasswordHasher, password: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait(10)
        with lock:
            running -= 1
        return hash_(self, password)

    monkeypatch.setattr(PasswordHasher, "hash", slow)
    tasks = [asyncio.create_task(passwords.hash(RIGHT)) for _ in range(8)]
    await asyncio.sleep(0.1)
    gate.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [str] * 5 + [PasswordsBusy] * 3
    assert most == 2
    assert isinstance(await passwords.hash(RIGHT), str), "and it recovers"
    passwords.close()
