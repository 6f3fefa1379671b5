"""Erase an account: every key of a person is destroyed, and all that is theirs goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from application.accounts.ports import Accounts, Attempts, Passwords
from application.accounts.sign_in import SIGN_IN_PER_ACCOUNT
from application.ports import EndingsKept, NewId, StepUp
from domain.accounts.password import given_password
from domain.accounts.person import PasswordWrong
from domain.accounts.totp import TotpRequired
from domain.errors import NotAuthenticated
from domain.identity import Caller, PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasedPerson:
    """What went, what a search for the rest found, by itself and in the index by `index_probes`
    words and vectors that the documents had, and what stays and why."""

    at: datetime
    destroyed: Mapping[str, int]
    residue: Mapping[str, int]
    index_probes: int
    kept: Mapping[str, int]


class PersonErasure(Protocol):
    """All that is a person's, in one transaction. Raises Unavailable, having changed nothing."""

    async def erase(self, caller: Caller) -> ErasedPerson | None:
        """None for somebody who was erased before."""
        ...


class ReceiptSigner(Protocol):
    """Signs what the person is handed."""

    async def sign(self, kind: str, claims: Mapping[str, object]) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountErasure:
    """The receipt of it. Until `backup_horizon` a backup may still hold the wrapped keys."""

    erased: ErasedPerson
    backup_horizon: datetime
    signed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasePrincipal:
    """All that somebody has, for whoever has the right to that."""

    people: PersonErasure
    receipts: ReceiptSigner
    endings_kept: EndingsKept
    new_id: NewId
    backup_retention: timedelta

    async def __call__(self, *, whose: Caller, issued_to: PersonId) -> AccountErasure | None:
        """None for who was erased before."""
        erased = await self.people.erase(whose)
        if erased is None:
            return None
        await self.endings_kept()
        horizon = erased.at + self.backup_retention
        claims: dict[str, object] = {
            "receipt_id": str(self.new_id()),
            "issued_to": str(issued_to),
            "person_id": str(whose.person_id),
            "destroyed": dict(erased.destroyed),
            "residue": dict(erased.residue),
            "index_probes": erased.index_probes,
            "kept": dict(erased.kept),
            "effective_at": erased.at.isoformat(),
            "backup_horizon": horizon.isoformat(),
        }
        return AccountErasure(
            erased=erased,
            backup_horizon=horizon,
            signed=await self.receipts.sign("erasure-receipt", claims),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseAccount:
    """A person's last word on everything. It takes the password, and a one-time code where they are
    set up: whoever finds an open session cannot destroy what is in it."""

    accounts: Accounts
    erase: ErasePrincipal
    passwords: Passwords
    step_up: StepUp
    attempts: Attempts

    async def __call__(self, *, caller: Caller, password: str, totp: str | None) -> AccountErasure:
        """Raises PasswordWrong, TotpRequired, or what StepUp raises; nothing is changed then."""
        await self._prove(caller, password, totp)
        erased = await self.erase(whose=caller, issued_to=caller.person_id)
        if erased is None:
            raise NotAuthenticated
        return erased

    async def _prove(self, caller: Caller, password: str, totp: str | None) -> None:
        given = given_password(password)
        own = await self.accounts.own(caller)
        if own is None:
            raise NotAuthenticated
        person, tenant = own
        await self.attempts.attempt(SIGN_IN_PER_ACCOUNT, tenant.name, person.email)
        async with self.accounts.begin(caller.tenant_id) as tx:
            account = await tx.find(person.email)
        if account is None:
            raise NotAuthenticated
        if not await self.passwords.matches(given, account.password_hash):
            raise PasswordWrong(field="/password")
        if account.needs_totp:
            if totp is None:
                raise TotpRequired
            await self.step_up(caller=caller, code=totp)
