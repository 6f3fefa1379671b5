"""Set up one-time codes: a secret for an authenticator app, and then the proof that it has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from application.accounts.check_code import CODES_PER_ACCOUNT
from application.accounts.ports import (
    Accounts,
    Attempts,
    OneTimeCodes,
    RecoveryCodes,
    SecondFactors,
)
from application.accounts.time_codes import TimeCodes
from application.ports import Cipher, NewId, StepUp
from domain.accounts.totp import (
    RECOVERY_CODES,
    CodeNotValid,
    StepUpNotEnrolled,
    StepUpRefused,
    Totp,
    TotpAlreadyEnrolled,
    is_time_code,
)
from domain.errors import NotAuthenticated
from domain.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposedTotp:
    """What an authenticator app needs. It is told once."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolTotp:
    """Nothing is asked for until a first code has shown that the app has the secret.

    Begun again before that, it starts over with another secret.
    """

    accounts: Accounts
    second_factors: SecondFactors
    time_codes: TimeCodes
    codes: OneTimeCodes
    cipher: Cipher
    new_id: NewId

    async def __call__(self, *, caller: Caller) -> ProposedTotp:
        """Raises TotpAlreadyEnrolled."""
        own = await self.accounts.own(caller)
        if own is None:
            raise NotAuthenticated
        person, _ = own
        secret, key, totp_id = self.codes.new_secret(), self.cipher.new_key(), self.new_id()
        sealed = self.time_codes.seal(caller, totp_id, key, secret)
        async with self.second_factors.begin(caller) as tx:
            await tx.propose(Totp(id=totp_id, sealed_secret=sealed), key)
        return ProposedTotp(secret=secret, uri=self.codes.uri(secret, person.email))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmTotp:
    """The first code. It is used up by this: signing in takes the next one."""

    second_factors: SecondFactors
    time_codes: TimeCodes
    recovery_codes: RecoveryCodes
    attempts: Attempts

    async def __call__(self, *, caller: Caller, code: str) -> Sequence[str]:
        """The recovery codes, which are told this once.

        Raises StepUpRefused, StepUpNotEnrolled where nothing is pending, TotpAlreadyEnrolled.
        """
        if not is_time_code(code):
            raise CodeNotValid(field="/code")
        totp = await self.second_factors.find(caller)
        if totp is None:
            raise StepUpNotEnrolled
        if totp.is_enrolled:
            raise TotpAlreadyEnrolled
        account = (str(caller.tenant_id), str(caller.person_id))
        await self.attempts.attempt(CODES_PER_ACCOUNT, *account)
        secret = await self.time_codes.open(caller, totp)
        recovery = [self.recovery_codes.new() for _ in range(RECOVERY_CODES)]
        async with self.second_factors.begin(caller) as tx:
            step = self.time_codes.step_of(code, secret, await tx.now())
            if step is None:
                raise StepUpRefused
            hashes = [self.recovery_codes.hash(each) for each in recovery]
            if not await tx.confirm(totp, step, hashes):
                raise TotpAlreadyEnrolled
        await self.attempts.forget(CODES_PER_ACCOUNT, *account)
        return recovery


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveTotp:
    """Takes a code, so that whoever finds an open session cannot do away with the second factor."""

    second_factors: SecondFactors
    step_up: StepUp

    async def __call__(self, *, caller: Caller, code: str) -> None:
        """Raises what StepUp raises."""
        totp = await self.second_factors.find(caller)
        await self.step_up(caller=caller, code=code)
        if totp is not None:
            async with self.second_factors.begin(caller) as tx:
                await tx.remove(totp)
