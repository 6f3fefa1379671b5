"""Answer a request: approve it, and a grant follows; refuse it, and that is kept too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from application.consent.agreement import Agreement
from application.consent.approval import Approval, assert_sure
from application.consent.given_before import given_before
from application.consent.ports import Consents, ConsentTransaction
from application.ports import Idempotency, NewId
from domain.consent.grant import Grant
from domain.consent.record import (
    ConsentEvent,
    ConsentNotFound,
    ConsentRecord,
    ConsentState,
    next_event,
)
from domain.identity import Caller, ConsentId, GrantId


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproveRequest:
    """By the person who was asked, on exactly the terms that were asked for."""

    consents: Consents
    agreement: Agreement
    approval: Approval
    new_id: NewId

    async def __call__(
        self,
        *,
        caller: Caller,
        consent_id: ConsentId,
        code: str | None = None,
        idempotency: Idempotency | None = None,
    ) -> Grant:
        """`code` is a second factor, where the thing demands one.

        Raises ConsentNotFound for everybody else, and where the thing is not the caller's;
        RequestAlreadyAnswered where there is nothing to approve any more; NoticeOutdated where
        answers are now kept and it does not say so; StepUpRequired, and what StepUp raises.
        """
        caller = await self.approval.proven(caller, code, idempotency)
        async with self.consents.begin(caller) as tx:
            fresh = GrantId(self.new_id())
            if (earlier := await given_before(tx, idempotency, fresh)) is not None:
                return earlier
            record = await _asked(tx, caller, consent_id)
            # Held before the consent, as erasure holds them: in another order the two would meet.
            resource = await tx.resource(record.terms.resource)
            events = await tx.events(consent_id, lock=True)
            now = await tx.now()
            given = next_event(
                events,
                ConsentState.GIVEN,
                by=caller.person_id,
                at=now,
                valid_until=record.terms.expires_at,
            )
            if resource is None or resource.owner_id != caller.person_id:
                raise ConsentNotFound
            assert_sure(caller, resource)
            record.notice.assert_tells(await tx.withdrawal_policy())
            grant = record.terms.grant(
                id=fresh,
                consent_id=consent_id,
                owner_id=caller.person_id,
                grantor_id=caller.person_id,
                grantee_id=record.recipient_id,
                now=now,
            )
            receipts = await self.agreement.receipts_for(record, [*events, given], grant)
            await tx.append(record, given, grant, receipts)
        return grant


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseRequest:
    """By the person who was asked. The refusal is recorded, and both sides get a receipt of it."""

    consents: Consents
    agreement: Agreement
    new_id: NewId

    async def __call__(
        self, *, caller: Caller, consent_id: ConsentId, idempotency: Idempotency | None = None
    ) -> tuple[ConsentRecord, Sequence[ConsentEvent]]:
        """Raises as ApproveRequest does."""
        fresh = self.new_id()
        async with self.consents.begin(caller) as tx:
            is_repeat = await tx.claim(idempotency, fresh) != fresh
            record = await _asked(tx, caller, consent_id)
            events = await tx.events(consent_id, lock=not is_repeat)
            if is_repeat:
                return record, events
            refused = next_event(
                events, ConsentState.REFUSED, by=caller.person_id, at=await tx.now()
            )
            receipts = await self.agreement.receipts_for(record, [*events, refused], None)
            await tx.append(record, refused, None, receipts)
        return record, [*events, refused]


async def _asked(tx: ConsentTransaction, caller: Caller, consent_id: ConsentId) -> ConsentRecord:
    record = await tx.consent(consent_id)
    if record is None or record.pii_principal_id != caller.person_id:
        raise ConsentNotFound
    return record
