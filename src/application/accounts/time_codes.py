"""The secret of somebody's one-time codes: sealed at rest, and compared with what they give."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.accounts.ports import OneTimeCodes
from application.ports import Cipher, Context, DataKey, OwnKeys
from domain.accounts.totp import StepUpNotEnrolled, Totp, matching_step, steps_at
from domain.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeCodes:
    """Bound to the person and to this setting-up: no other row's ciphertext can stand in for it."""

    own_keys: OwnKeys
    cipher: Cipher
    codes: OneTimeCodes

    def seal(self, caller: Caller, totp_id: UUID, key: DataKey, secret: str) -> bytes:
        return self.cipher.seal(key, secret.encode(), _context(caller, totp_id))

    async def open(self, caller: Caller, totp: Totp) -> str:
        """Raises StepUpNotEnrolled where it was removed meanwhile, and its key with it."""
        key = (await self.own_keys(caller=caller, resources=[totp.id])).get(totp.id)
        if key is None:
            raise StepUpNotEnrolled
        context = _context(caller, totp.id)
        return self.cipher.open(key, totp.sealed_secret, context).decode()

    def step_of(self, code: str, secret: str, at: datetime) -> int | None:
        """The time step whose code this is, among those that are good at `at`."""
        return matching_step(
            code, {step: self.codes.code_at(secret, step) for step in steps_at(at)}
        )


def _context(caller: Caller, totp_id: UUID) -> Context:
    return (b"totp", caller.tenant_id.bytes, caller.person_id.bytes, totp_id.bytes)
