"""Check a second factor: a one-time code, or a recovery code in its place."""

from __future__ import annotations

from dataclasses import dataclass

from application.accounts.ports import (
    Attempts,
    RecoveryCodes,
    SecondFactors,
    SecondFactorsTransaction,
)
from application.accounts.time_codes import TimeCodes
from domain.accounts.totp import (
    CodeNotValid,
    StepUpNotEnrolled,
    StepUpRefused,
    Totp,
    is_recovery_code,
    is_time_code,
)
from domain.identity import Caller

CODES_PER_ACCOUNT = "totp_rate_per_account"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCode:
    """`StepUp`. A code that was accepted is used up, whatever becomes of what it was given for.

    What counts as used is the time step, held by the database: not the text, which could be
    written in another way. Wrong, used, stale and of another kind are one refusal.
    """

    second_factors: SecondFactors
    time_codes: TimeCodes
    recovery_codes: RecoveryCodes
    attempts: Attempts

    async def __call__(self, *, caller: Caller, code: str) -> None:
        if not is_time_code(code) and not is_recovery_code(code):
            raise CodeNotValid(field="/totp")
        totp = await self.second_factors.find(caller)
        if totp is None or not totp.is_enrolled:
            raise StepUpNotEnrolled
        account = (str(caller.tenant_id), str(caller.person_id))
        await self.attempts.attempt(CODES_PER_ACCOUNT, *account)
        secret = await self.time_codes.open(caller, totp)
        async with self.second_factors.begin(caller) as tx:
            accepted = await self._spend(tx, totp, code, secret)
        if not accepted:
            raise StepUpRefused
        await self.attempts.forget(CODES_PER_ACCOUNT, *account)

    async def _spend(
        self, tx: SecondFactorsTransaction, totp: Totp, code: str, secret: str
    ) -> bool:
        if is_recovery_code(code):
            return await tx.spend_recovery_code(totp, self.recovery_codes.hash(code))
        step = self.time_codes.step_of(code, secret, await tx.now())
        return step is not None and await tx.spend_step(totp, step)
