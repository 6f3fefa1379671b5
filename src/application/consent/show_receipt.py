"""Show one's receipt of a consent as it is now, whatever became of it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid5

from application.consent.ports import Consents, ReceiptSigner
from application.consent.withdraw_consent import revocation_claims
from domain.consent.receipt import receipt_claims
from domain.consent.record import ConsentNotFound, ConsentState, latest
from domain.identity import Caller, ConsentId


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowReceipt:
    """Of the latest event. What was agreed was handed out and kept with it; an ending is signed
    when its receipt is asked for, so that nothing waits for the key service to end."""

    consents: Consents
    receipts: ReceiptSigner

    async def __call__(self, *, caller: Caller, consent_id: ConsentId) -> str:
        """A JWS for the caller. Asked again, it says the same, under the same id; whoever ended it
        is told what that did.

        Raises ConsentNotFound unless the caller is a side of it, and while it is only asked for.
        """
        async with self.consents.begin(caller) as tx:
            record = await tx.consent(consent_id)
            if record is None:
                raise ConsentNotFound
            events = await tx.events(consent_id)
            last = latest(events)
            kept = await tx.receipt(consent_id, last.event_time)
            grant = await tx.grant_of(consent_id)
            revocation = await tx.revocation(consent_id)
        if kept is not None:
            return kept
        if last.event_state is ConsentState.REQUESTED:
            raise ConsentNotFound
        receipt_id = uuid5(consent_id, f"{last.seq} {caller.person_id}")
        claims = receipt_claims(
            record, events, receipt_id=str(receipt_id), issued_to=caller.person_id, grant=grant
        )
        if revocation is not None and last.entity_id == caller.person_id:
            claims["revocation"] = revocation_claims(revocation)
        return await self.receipts.sign("consent-receipt", claims)
