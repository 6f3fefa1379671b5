"""Tell what both sides would be told, before anything is given."""

from __future__ import annotations

from dataclasses import dataclass

from application.consent.give_grant import GiveGrant
from application.ports import RateLimits
from domain.consent.notice import Notice
from domain.consent.terms import Terms
from domain.identity import Caller, GrantId, PersonId

NOTICES_PER_PERSON = "notice_rate_per_person"


@dataclass(frozen=True, slots=True, kw_only=True)
class TellNotice:
    """To whoever could give it. It names the grantee, and leaves no trace: so it is limited how
    many one may have."""

    give_grant: GiveGrant
    limits: RateLimits

    async def __call__(
        self,
        *,
        caller: Caller,
        grantee: str | PersonId,
        terms: Terms,
        parent_id: GrantId | None = None,
    ) -> Notice:
        """Raises TooMany, and what giving raises, but for that it asks for no second factor."""
        await self.limits.attempt(NOTICES_PER_PERSON, str(caller.tenant_id), str(caller.person_id))
        return await self.give_grant.notice(
            caller=caller, grantee=grantee, terms=terms, parent_id=parent_id
        )
