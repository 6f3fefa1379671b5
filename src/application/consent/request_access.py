"""Ask for access: the request is a consent record that nobody has agreed to yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from application.consent.agreement import Agreement
from application.consent.ports import Consents
from application.ports import Idempotency, NewId, RateLimits
from domain.consent.grant import GranteeUnknown
from domain.consent.record import ConsentEvent, ConsentRecord, ConsentState, next_event
from domain.consent.terms import Terms
from domain.errors import NotAuthenticated
from domain.identity import Caller, ConsentId, GrantId, PersonId

REQUESTS_PER_PERSON = "access_request_rate_per_person"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAccess:
    """The requester sees the same answer whether or not there is such a thing, and whosever it
    is: only its owner, when approving, learns whether it can be given."""

    consents: Consents
    agreement: Agreement
    limits: RateLimits
    new_id: NewId

    async def __call__(
        self,
        *,
        caller: Caller,
        principal: str | PersonId,
        terms: Terms,
        idempotency: Idempotency | None = None,
    ) -> tuple[ConsentRecord, Sequence[ConsentEvent]]:
        """`principal` is asked, by email address or id. Raises Invalid, naming the field,
        TooMany: whoever is asked has to answer, and NotAuthenticated for a caller who left."""
        await self.limits.attempt(REQUESTS_PER_PERSON, str(caller.tenant_id), str(caller.person_id))
        async with self.consents.begin(caller) as tx:
            fresh = ConsentId(self.new_id())
            claimed = ConsentId(await tx.claim(idempotency, fresh))
            if claimed != fresh:
                earlier = await tx.consent(claimed)
                assert earlier is not None
                return earlier, await tx.events(claimed)
            asked, asking = await tx.party(principal), await tx.party(caller.person_id)
            if asking is None:
                raise NotAuthenticated
            if asked is None:
                raise GranteeUnknown(field="/principal")
            now = await tx.now()
            terms.grant(  # whether it could be granted at all, as far as the terms tell
                id=GrantId(fresh),
                consent_id=fresh,
                owner_id=asked.person_id,
                grantor_id=asked.person_id,
                grantee_id=caller.person_id,
                now=now,
            )
            record = await self.agreement.record(
                tx,
                terms,
                consent_id=fresh,
                principal_id=asked.person_id,
                grantor=asked,
                grantee=asking,
                at=now,
                asked_for=True,
            )
            requested = next_event(
                [],
                ConsentState.REQUESTED,
                by=caller.person_id,
                at=now,
                valid_until=terms.expires_at,
            )
            await tx.keep(record, requested, None, {})
        return record, [requested]
