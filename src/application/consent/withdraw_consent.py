"""Withdraw: from the moment this is acknowledged, nothing more is shown."""

from __future__ import annotations

from dataclasses import dataclass

from application.consent.ports import Consents, ReceiptSigner, Revocation
from application.ports import NewId
from domain.consent.grant import GrantAlreadyRevoked, GrantNotFound
from domain.consent.record import ConsentNotFound, withdrawal_of
from domain.identity import Caller, ConsentId, GrantId


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationReceipt:
    """What happened, and the signed form of it."""

    revocation: Revocation
    signed: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawConsent:
    """The person whose thing it is takes the consent back, with every grant that follows."""

    consents: Consents
    receipts: ReceiptSigner
    new_id: NewId

    async def __call__(self, *, caller: Caller, consent_id: ConsentId) -> RevocationReceipt:
        """Raises ConsentNotFound unless the caller gave it, ConsentNotInForce if it ended."""
        async with self.consents.begin(caller) as tx:
            record = await tx.consent(consent_id)
            if record is None or record.pii_principal_id != caller.person_id:
                raise ConsentNotFound
            events = await tx.events(consent_id, lock=True)
            withdrawal = withdrawal_of(events, by=caller.person_id, at=await tx.now())
            revocation = await tx.end(consent_id, withdrawal)
        claims: dict[str, object] = {
            "receipt_id": str(self.new_id()),
            "issued_to": str(caller.person_id),
            "record_id": str(consent_id),
            "event_state": withdrawal.event_state,
            "event_time": withdrawal.event_time.isoformat(),
            "grants": [{"id": str(g.id), "epoch": g.epoch} for g in revocation.grants],
            "runs_stopped": revocation.runs_stopped,
            "answers_hidden": revocation.answers_hidden,
            "last_release_numbers": {
                str(document): number
                for document, number in revocation.last_release_numbers.items()
            },
        }
        signed = await self.receipts.sign("revocation-receipt", claims)
        return RevocationReceipt(revocation=revocation, signed=signed)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeGrant:
    """The same act, named by the grant instead of the consent."""

    consents: Consents
    withdraw_consent: WithdrawConsent

    async def __call__(self, *, caller: Caller, grant_id: GrantId) -> RevocationReceipt:
        """Raises GrantNotFound unless the caller gave it, GrantAlreadyRevoked if it ended."""
        async with self.consents.begin(caller) as tx:
            grant = await tx.grant(grant_id)
        if grant is None or grant.grantor_id != caller.person_id:
            raise GrantNotFound
        if grant.revoked_at is not None:
            raise GrantAlreadyRevoked
        return await self.withdraw_consent(caller=caller, consent_id=grant.consent_id)
