"""Withdraw: from the moment this is acknowledged, nothing more is shown."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid5

from application.consent.ports import Consents, ReceiptSigner, Revocation
from application.ports import EndingsKept, Idempotency, NewId
from domain.consent.grant import Grant, GrantAlreadyRevoked, GrantNotFound
from domain.consent.record import (
    ConsentEvent,
    ConsentNotFound,
    ConsentRecord,
    ConsentState,
    latest,
    next_event,
)
from domain.identity import Caller, ConsentId, GrantId

# A stream ends when it next looks whether it may go on, which is at least this often.
STREAM_SECONDS_MAX = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationReceipt:
    """What happened, and the signed form of it."""

    revocation: Revocation
    signed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawConsent:
    """The person whose thing it is withdraws the consent, with every grant that follows, near or
    far. Whoever shared it onward revokes it.
    """

    consents: Consents
    receipts: ReceiptSigner
    endings_kept: EndingsKept
    new_id: NewId

    async def __call__(
        self,
        *,
        caller: Caller,
        consent_id: ConsentId,
        policy_applies: bool = True,
        idempotency: Idempotency | None = None,
    ) -> RevocationReceipt:
        """Raises ConsentNotFound unless the caller gave it, ConsentNotInForce if it ended.

        Finished answers are kept where the tenant's policy says so, unless it does not apply.
        It is withdrawn whether or not the receipt can be signed then: Unavailable is raised, and a
        repeat gets the receipt.
        """
        fresh = self.new_id()
        async with self.consents.begin(caller) as tx:
            is_repeat = await tx.claim(idempotency, fresh) != fresh
            record = await tx.consent(consent_id)
            grant = await tx.grant_of(consent_id)
            if record is None or not _has_a_say(caller, record, grant):
                raise ConsentNotFound
            events = await tx.events(consent_id, lock=not is_repeat)
            earlier = await tx.revocation(consent_id) if is_repeat else None
            if earlier is not None:
                ending, revocation = latest(events), earlier
            else:
                ending = next_event(
                    events, _state(record, caller), by=caller.person_id, at=await tx.now()
                )
                revocation = await tx.end(consent_id, ending, policy_applies=policy_applies)
        await self.endings_kept()
        signed = await self._signed(caller, consent_id, ending, revocation)
        return RevocationReceipt(revocation=revocation, signed=signed)

    async def _signed(
        self, caller: Caller, consent_id: ConsentId, ending: ConsentEvent, revocation: Revocation
    ) -> str:
        # Nothing in it is new when it is signed again, its own id neither.
        receipt_id = uuid5(consent_id, f"revocation {ending.seq}")
        claims: dict[str, object] = {
            "receipt_id": str(receipt_id),
            "issued_to": str(caller.person_id),
            "record_id": str(consent_id),
            "event_state": ending.event_state,
            "event_time": ending.event_time.isoformat(),
            **revocation_claims(revocation),
        }
        return await self.receipts.sign("revocation-receipt", claims)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeGrant:
    """The same act, named by the grant instead of the consent."""

    consents: Consents
    withdraw_consent: WithdrawConsent

    async def __call__(
        self, *, caller: Caller, grant_id: GrantId, idempotency: Idempotency | None = None
    ) -> RevocationReceipt:
        """Raises GrantNotFound unless the caller gave it, GrantAlreadyRevoked if it ended."""
        async with self.consents.begin(caller) as tx:
            grant = await tx.grant(grant_id)
            # After the grant: whoever finds it revoked by the first of two finds the claim too.
            is_repeat = idempotency is not None and await tx.is_claimed(idempotency)
        if grant is None or caller.person_id not in (grant.owner_id, grant.grantor_id):
            raise GrantNotFound
        if grant.revoked_at is not None and not is_repeat:
            raise GrantAlreadyRevoked
        return await self.withdraw_consent(
            caller=caller, consent_id=grant.consent_id, idempotency=idempotency
        )


def revocation_claims(revocation: Revocation) -> dict[str, object]:
    """What an ending did, as a receipt tells it to whoever did it."""
    return {**revocation.claims(), "streams_end_within_seconds": STREAM_SECONDS_MAX}


def _has_a_say(caller: Caller, record: ConsentRecord, grant: Grant | None) -> bool:
    givers = {record.pii_principal_id} if grant is None else {grant.owner_id, grant.grantor_id}
    return caller.person_id in givers


def _state(record: ConsentRecord, caller: Caller) -> ConsentState:
    own = record.pii_principal_id == caller.person_id
    return ConsentState.WITHDRAWN if own else ConsentState.REVOKED
