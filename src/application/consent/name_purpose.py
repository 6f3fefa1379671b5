"""Name a purpose: what somebody wants something for is one of the tenant's purposes."""

from __future__ import annotations

from dataclasses import dataclass

from application.consent.ports import Purposes
from domain.consent.grant import PurposeUnknown
from domain.identity import Caller, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class NamePurpose:
    """Owners name one like everybody: it is what the log says that they read for.

    It is looked at before anything that the request names, so that it tells nothing of what there
    is. And it stands in the clear in the log, where owners read it: whoever could write anything
    there could write to people whose things they may not see.
    """

    purposes: Purposes

    async def __call__(self, *, caller: Caller, code: str, field: str) -> Purpose:
        """Raises PurposeUnknown, naming `field`, unless it is in the registry."""
        purpose = Purpose(code)
        if not await self.purposes.has(caller, purpose):
            raise PurposeUnknown(field=field)
        return purpose
