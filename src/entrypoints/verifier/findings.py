"""What a verifier found, in words, and whether it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

SHOWN_MAX = 50


class NotVerified(Exception):
    """A check failed: `code` names the violation, the message tells it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotChecked(Exception):
    """Nothing can be said: what was to be checked could not be had.

    `status` is the one that a service refused it with, if one did.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Finding:
    """`holds` is None where it could not be checked."""

    holds: bool | None
    code: str
    says: str


@dataclass(slots=True)
class Findings:
    """In the order in which they were made."""

    found: list[Finding] = field(default_factory=list)

    def ok(self, code: str, says: str) -> None:
        self.found.append(Finding(True, code, says))

    def violated(self, code: str, says: str) -> None:
        self.found.append(Finding(False, code, says))

    def unchecked(self, says: str) -> None:
        self.found.append(Finding(None, "not_checked", says))

    def unexplained(self, decisions: int) -> None:
        """Whoever could leave evidence out and be believed could log whatever they like."""
        self.unchecked(
            f"{decisions} decisions could not be made again: their evidence was left out, is"
            " empty, or follows a policy that this program does not know"
        )

    @property
    def verified(self) -> bool:
        """Something was checked, and all of it holds."""
        return bool(self.found) and all(each.holds for each in self.found)

    @property
    def violations(self) -> Sequence[Finding]:
        return [each for each in self.found if each.holds is False]

    def lines(self) -> list[str]:
        """For people. Of very many violations the first ones are told."""
        told = [f"ok    {each.says}" for each in self.found if each.holds]
        told += [f"FAIL  {each.says} [{each.code}]" for each in self.violations[:SHOWN_MAX]]
        if len(self.violations) > SHOWN_MAX:
            told.append(f"FAIL  and {len(self.violations) - SHOWN_MAX} more")
        told += [f"?     {each.says} [{each.code}]" for each in self.found if each.holds is None]
        return told

    def as_json(self) -> dict[str, Any]:
        return {
            "verified": self.verified,
            "findings": [
                {"holds": each.holds, "code": each.code, "says": each.says} for each in self.found
            ],
        }


def require(holds: bool, code: str, otherwise: str) -> None:
    if not holds:
        raise NotVerified(code, otherwise)


def only(given: dict[str, Any], what: str, members: set[str]) -> None:
    """Nothing is passed along that nobody checks."""
    odd = sorted(given.keys() ^ members)
    require(
        not odd, "malformed", f"a member of the {what} is missing, or one too many: {odd}"[:300]
    )
