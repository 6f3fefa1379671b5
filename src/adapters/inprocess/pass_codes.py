"""Pass-codes of links are hashed as passwords are, by the same few threads."""

from __future__ import annotations

from dataclasses import dataclass

from application.accounts.ports import Passwords
from domain.accounts.password import Password, given_password


@dataclass(frozen=True, slots=True, kw_only=True)
class HashedPassCodes:
    """`PassCodes` over `Passwords`."""

    passwords: Passwords

    async def hash(self, pass_code: str) -> str:
        return await self.passwords.hash(given_password(pass_code))

    async def matches(self, pass_code: str, pass_code_hash: str | None) -> bool:
        given = given_password(pass_code) if pass_code else Password(text="")
        return await self.passwords.matches(given, pass_code_hash)
