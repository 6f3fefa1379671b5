"""Register a purpose, so that grants can be given for it."""

from __future__ import annotations

from dataclasses import dataclass

from application.consent.ports import Purposes
from domain.consent.purpose import PurposeIsKeptByAdministrators, RegisteredPurpose
from domain.identity import Caller, Purpose, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterPurpose:
    """The registry is the tenant's, and its administrators keep it."""

    purposes: Purposes

    async def __call__(
        self, *, caller: Caller, code: Purpose, title: str, dpv_term: str
    ) -> RegisteredPurpose:
        """Raises PurposeIsKeptByAdministrators for everybody else, PurposeNotUsable, and
        PurposeAgreedTo for other words than those that somebody agreed to."""
        if caller.role is not Role.ADMIN:
            raise PurposeIsKeptByAdministrators
        purpose = RegisteredPurpose(code=code, title=title, dpv_term=dpv_term)
        await self.purposes.put(caller, purpose)
        return purpose
