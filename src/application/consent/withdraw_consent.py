"""Withdraw: from the moment this is acknowledged, nothing more is shown."""

from __future__ import annotations

from dataclasses import dataclass

from application.consent.ports import Consents, ReceiptSigner, Revocation
from application.ports import EndingsKept, NewId
from domain.consent.grant import Grant, GrantAlreadyRevoked, GrantNotFound
from domain.consent.record import (
    ConsentEvent,
    ConsentNotFound,
    ConsentRecord,
    ConsentState,
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
        self, *, caller: Caller, consent_id: ConsentId, policy_applies: bool = True
    ) -> RevocationReceipt:
        """Raises ConsentNotFound unless the caller gave it, ConsentNotInForce if it ended.

        Finished answers are kept where the tenant's policy says so, unless it does not apply.
        """
        async with self.consents.begin(caller) as tx:
            record = await tx.consent(consent_id)
            grant = await tx.grant_of(consent_id)
            if record is None or not _has_a_say(caller, record, grant):
                raise ConsentNotFound
            events = await tx.events(consent_id, lock=True)
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
        claims: dict[str, object] = {
            "receipt_id": str(self.new_id()),
            "issued_to": str(caller.person_id),
            "record_id": str(consent_id),
            "event_state": ending.event_state,
            "event_time": ending.event_time.isoformat(),
            "grants": [{"id": str(g.id), "epoch": g.epoch} for g in revocation.grants],
            "streams": [
                {"run_id": str(each.run_id), "ended_at": each.ended_at.isoformat()}
                for each in revocation.streams
            ],
            "streams_end_within_seconds": STREAM_SECONDS_MAX,
            "answers_hidden": revocation.answers_hidden,
            "answers_kept": revocation.answers_kept,
            "kept_under": revocation.kept_under and revocation.kept_under.claims(),
            "last_release_numbers": {
                str(document): number
                for document, number in revocation.last_release_numbers.items()
            },
        }
        return await self.receipts.sign("revocation-receipt", claims)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeGrant:
    """The same act, named by the grant instead of the consent."""

    consents: Consents
    withdraw_consent: WithdrawConsent

    async def __call__(self, *, caller: Caller, grant_id: GrantId) -> RevocationReceipt:
        """Raises GrantNotFound unless the caller gave it, GrantAlreadyRevoked if it ended."""
        async with self.consents.begin(caller) as tx:
            grant = await tx.grant(grant_id)
        if grant is None or caller.person_id not in (grant.owner_id, grant.grantor_id):
            raise GrantNotFound
        if grant.revoked_at is not None:
            raise GrantAlreadyRevoked
        return await self.withdraw_consent(caller=caller, consent_id=grant.consent_id)


def _has_a_say(caller: Caller, record: ConsentRecord, grant: Grant | None) -> bool:
    givers = {record.pii_principal_id} if grant is None else {grant.owner_id, grant.grantor_id}
    return caller.person_id in givers


def _state(record: ConsentRecord, caller: Caller) -> ConsentState:
    own = record.pii_principal_id == caller.person_id
    return ConsentState.WITHDRAWN if own else ConsentState.REVOKED
