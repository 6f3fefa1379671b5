"""Passwords hashed by Argon2id (RFC 9106)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from domain.accounts.password import Password
from domain.errors import Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2Cost:
    """What one hash costs; as is, OWASP's choice for servers (Password Storage Cheat Sheet)."""

    memory_kib: int = 19 * 1024
    passes: int = 2
    lanes: int = 1


class PasswordsBusy(Unavailable):
    """Too many people sign in at this moment; try again in a few seconds."""

    code = "passwords_busy"


class Argon2idPasswords:
    """`Passwords`, in threads of its own: the event loop goes on, and memory stays bounded.

    `at_once_max` hashes run at a time, `waiting_max` more may wait: PasswordsBusy for the rest.
    """

    def __init__(
        self, cost: Argon2Cost | None = None, *, at_once_max: int = 2, waiting_max: int = 128
    ) -> None:
        cost = cost or Argon2Cost()
        self._hasher = PasswordHasher(
            time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes
        )
        self._threads = ThreadPoolExecutor(at_once_max, thread_name_prefix="argon2id")
        self._admitted_max = at_once_max + waiting_max
        self._admitted = 0
        # Nobody has this password: what an unknown person's is compared with.
        self._nobody = self._hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: Password) -> str:
        return await self._in_thread(lambda: self._hasher.hash(password.text))

    async def matches(self, password: Password, password_hash: str | None) -> bool:
        compared = self._nobody if password_hash is None else password_hash
        matches = await self._in_thread(lambda: self._verifies(compared, password))
        return matches and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        return self._hasher.check_needs_rehash(password_hash)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verifies(self, password_hash: str, password: Password) -> bool:
        try:
            return self._hasher.verify(password_hash, password.text)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._admitted >= self._admitted_max:
            raise PasswordsBusy(retry_after_seconds=2)
        self._admitted += 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        # Counted until the thread is done with it, also where nobody waits for it any more.
        running.add_done_callback(self._leave)
        return await asyncio.shield(running)

    def _leave(self, _: asyncio.Future[T]) -> None:
        self._admitted -= 1
