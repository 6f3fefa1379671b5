"""The second factor: one-time codes by time (TOTP, RFC 6238), and codes for when they are lost."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.errors import Conflict, Invalid, NotAllowed, NotAuthenticated

STEP_SECONDS = 30
DRIFT_STEPS = 1
RECOVERY_CODES = 10
TIME_CODE_PATTERN = "[0-9]{6}"
RECOVERY_CODE_PATTERN = "[a-z2-7]{4}(?:-[a-z2-7]{4}){5}"
CODE_CHARACTERS_MIN, CODE_CHARACTERS_MAX = 6, 29


class CodeNotValid(Invalid):
    """A one-time code is six digits; a recovery code is six groups of four characters."""

    code = "code_not_valid"


class TotpRequired(NotAuthenticated):
    """The password is right, and this account needs a one-time code as well: send it as totp."""

    code = "totp_required"


class TotpRefused(NotAuthenticated):
    """This code is not accepted: it is not the present one, or it was used."""

    code = "totp_refused"


class StepUpRefused(NotAllowed):
    """This code is not accepted: it is not the present one, or it was used."""

    code = "step_up_refused"


class StepUpNotEnrolled(Conflict):
    """This takes a one-time code, and you have not set any up: begin at /v1/me/totp."""

    code = "totp_not_enrolled"


class TotpAlreadyEnrolled(Conflict):
    """One-time codes are set up already; remove them before you set up others."""

    code = "totp_already_enrolled"


class TotpState(StrEnum):
    """How far somebody has come in setting up one-time codes. Only `enrolled` asks for them."""

    NONE = "none"
    PENDING = "pending"
    ENROLLED = "enrolled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Totp:
    """One setting-up of one-time codes, with the secret that an authenticator app shares."""

    id: UUID
    sealed_secret: bytes = field(repr=False)
    confirmed_at: datetime | None = None
    recovery_codes_left: int = 0

    @property
    def is_enrolled(self) -> bool:
        return self.confirmed_at is not None


def state_of(totp: Totp | None) -> TotpState:
    if totp is None:
        return TotpState.NONE
    return TotpState.ENROLLED if totp.is_enrolled else TotpState.PENDING


def is_time_code(text: str) -> bool:
    """Six ASCII digits and nothing else: no space and no other digits, so one code has one
    spelling."""
    return _TIME_CODE.fullmatch(text) is not None


def is_recovery_code(text: str) -> bool:
    return _RECOVERY_CODE.fullmatch(text) is not None


def steps_at(at: datetime) -> Sequence[int]:
    """The time steps whose codes are good at a moment, the latest first: clocks may differ by a
    step either way (RFC 6238, section 5.2)."""
    present = int(at.timestamp()) // STEP_SECONDS
    return range(present + DRIFT_STEPS, present - DRIFT_STEPS - 1, -1)


def matching_step(given: str, codes: Mapping[int, str]) -> int | None:
    """The latest of the steps whose code was given, in the same time whichever it is.

    Where two steps happen to have the same code it is the later one, so that using it uses both.
    """
    found = [step for step, code in codes.items() if hmac.compare_digest(code, given)]
    return max(found, default=None)


_TIME_CODE = re.compile(TIME_CODE_PATTERN, re.ASCII)
_RECOVERY_CODE = re.compile(RECOVERY_CODE_PATTERN, re.ASCII)
