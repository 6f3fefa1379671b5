"""One-time codes by pyotp, in the one form that every authenticator app knows: SHA-1, six digits,
thirty seconds."""

from __future__ import annotations

from dataclasses import dataclass

import pyotp

from domain.accounts.totp import STEP_SECONDS

_SECRET_CHARACTERS = 32  # of base32: 160 bits, as RFC 4226 recommends (section 4, R6)


@dataclass(frozen=True, slots=True, kw_only=True)
class PyotpCodes:
    """`OneTimeCodes`. `issuer` is what an app shows above the account."""

    issuer: str = "Strongroom"

    def new_secret(self) -> str:
        return pyotp.random_base32(_SECRET_CHARACTERS)

    def code_at(self, secret: str, step: int) -> str:
        return pyotp.TOTP(secret, interval=STEP_SECONDS).generate_otp(step)

    def uri(self, secret: str, account: str) -> str:
        totp = pyotp.TOTP(secret, interval=STEP_SECONDS)
        return totp.provisioning_uri(name=account, issuer_name=self.issuer)
