"""Renew: the same agreement for longer, told to both sides anew."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from application.consent.agreement import Agreement
from application.consent.approval import Approval, assert_sure
from application.consent.given_before import given_before
from application.consent.ports import Consents
from application.ports import Idempotency, NewId
from domain.consent.grant import Grant, GrantMustEndLater
from domain.consent.record import ConsentNotFound, ConsentNotInForce, ConsentState, next_event
from domain.identity import Caller, ConsentId, GrantId


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewConsent:
    """By whoever gave it. A grant does not change: a new one follows, with all its uses, and the
    one before runs out by itself."""

    consents: Consents
    agreement: Agreement
    approval: Approval
    new_id: NewId

    async def __call__(
        self,
        *,
        caller: Caller,
        consent_id: ConsentId,
        expires_at: datetime,
        code: str | None = None,
        idempotency: Idempotency | None = None,
    ) -> Grant:
        """`code` is a second factor, where the thing demands one.

        Raises ConsentNotFound unless the caller gave it, ConsentNotInForce where it was ended,
        NoticeOutdated where answers are now kept and it does not say so, StepUpRequired, and
        Invalid for a time that is not later than before.
        """
        caller = await self.approval.proven(caller, code, idempotency)
        async with self.consents.begin(caller) as tx:
            fresh = GrantId(self.new_id())
            if (earlier := await given_before(tx, idempotency, fresh)) is not None:
                return earlier
            record = await tx.consent(consent_id)
            if record is None:
                raise ConsentNotFound
            # Held before the consent, as erasure holds them: in another order the two would meet.
            resource = await tx.resource(record.terms.resource)
            events = await tx.events(consent_id, lock=True)
            last = await tx.grant_of(consent_id)
            if last is None and record.pii_principal_id == caller.person_id:
                raise ConsentNotInForce  # it was asked for, and never given
            if last is None or last.grantor_id != caller.person_id:
                raise ConsentNotFound
            if expires_at <= last.expires_at:
                raise GrantMustEndLater(field="/expires_at")
            if resource is None:
                raise ConsentNotInForce
            assert_sure(caller, resource)
            record.notice.assert_tells(await tx.withdrawal_policy())
            now = await tx.now()
            renewed = next_event(
                events,
                ConsentState.RENEWED,
                by=caller.person_id,
                at=now,
                valid_until=expires_at,
            )
            parent = await tx.grant(last.parent_id) if last.parent_id else None
            # What was agreed to begin later does so still; what began goes on from now.
            begins = record.terms.not_before
            begins = None if begins is None or begins <= now else begins
            terms = replace(record.terms, not_before=begins, expires_at=expires_at)
            grant = terms.beginning_with(parent, now).grant(
                id=fresh,
                consent_id=consent_id,
                owner_id=last.owner_id,
                grantor_id=caller.person_id,
                grantee_id=record.recipient_id,
                now=now,
                parent=parent,
            )
            receipts = await self.agreement.receipts_for(record, [*events, renewed], grant)
            await tx.append(record, renewed, grant, receipts)
        return grant
