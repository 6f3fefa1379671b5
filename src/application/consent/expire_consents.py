"""Say of consents whose time is over that they have expired."""

from __future__ import annotations

from dataclasses import dataclass

from application.consent.ports import Consents
from domain.consent.record import VALID_STATES, ConsentState, next_event, state_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireConsents:
    """Nothing is enforced by this: a grant ends by the clock. The ledger is to say so."""

    consents: Consents

    async def __call__(self) -> int:
        """How many it was said of; requests that nobody answered are among them."""
        told = 0
        for each in await self.consents.run_out():
            async with self.consents.begin(each.caller) as tx:
                record = await tx.consent(each.consent_id)
                events = await tx.events(each.consent_id, lock=True)
                latest = max(events, key=lambda event: event.seq)
                open_states = {*VALID_STATES, ConsentState.REQUESTED}
                if record is None or latest.valid_until is None:
                    continue
                if state_of(events) in open_states and latest.valid_until <= await tx.now():
                    expired = next_event(
                        events,
                        ConsentState.EXPIRED,
                        by=each.caller.person_id,
                        at=latest.valid_until,
                    )
                    await tx.append(record, expired, None, {})
                    told += 1
        return told
