"""Share: consent and grant in one step, with a receipt for each side."""

from __future__ import annotations

from dataclasses import dataclass

from application.consent.agreement import Agreement
from application.consent.approval import Approval, assert_sure
from application.consent.given_before import given_before
from application.consent.ports import Consents, ConsentTransaction, Party, SharedResource
from application.ports import Idempotency, NewId
from domain.consent.grant import Grant, GranteeUnknown, GrantNotFound
from domain.consent.notice import Notice
from domain.consent.record import ConsentRecord, ConsentState, next_event
from domain.consent.terms import Terms
from domain.errors import NotFound
from domain.identity import Action, Caller, ConsentId, GrantId, PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveGrant:
    """What one owns, or was given to share onward: the consent, and the grant that follows."""

    consents: Consents
    agreement: Agreement
    approval: Approval
    new_id: NewId

    async def __call__(
        self,
        *,
        caller: Caller,
        grantee: str | PersonId,
        terms: Terms,
        parent_id: GrantId | None = None,
        code: str | None = None,
        notice_hash: bytes | None = None,
        idempotency: Idempotency | None = None,
    ) -> Grant:
        """`grantee` is an email address or a person's id; `parent_id` the grant shared onward;
        `code` a second factor; `notice_hash` that of the notice that the caller has read.

        Raises NotFound unless the caller owns the resource or holds the parent with the action
        `share`, StepUpRequired where the resource demands a second factor, what StepUp raises,
        and NoticeDiffers; Invalid names the field.
        """
        caller = await self.approval.proven(caller, code, idempotency)
        async with self.consents.begin(caller) as tx:
            fresh = GrantId(self.new_id())
            if (earlier := await given_before(tx, idempotency, fresh)) is not None:
                return earlier
            return await self.within(
                tx,
                caller,
                grantee=await _recipient(tx, caller, grantee, terms, parent_id),
                terms=terms,
                parent_id=parent_id,
                grant_id=fresh,
                notice_hash=notice_hash,
            )

    async def notice(
        self,
        *,
        caller: Caller,
        grantee: str | PersonId,
        terms: Terms,
        parent_id: GrantId | None = None,
    ) -> Notice:
        """What both sides would be told if it was given now. Nothing is given, nobody is told.

        Raises as giving does, but asks for no second factor.
        """
        async with self.consents.begin(caller) as tx:
            recipient = await _recipient(tx, caller, grantee, terms, parent_id)
            resource, parent = await _sharable(tx, caller, terms, parent_id)
            _, record = await self._agreed(
                tx,
                caller,
                grantee=recipient,
                terms=terms,
                resource=resource,
                parent=parent,
                grant_id=GrantId(self.new_id()),
            )
        return record.notice

    async def within(
        self,
        tx: ConsentTransaction,
        caller: Caller,
        *,
        grantee: Party,
        terms: Terms,
        parent_id: GrantId | None,
        grant_id: GrantId,
        notice_hash: bytes | None = None,
    ) -> Grant:
        """Within a transaction: whoever the grantee is, and whatever else happens in it."""
        resource, parent = await _sharable(tx, caller, terms, parent_id)
        assert_sure(caller, resource)
        grant, record = await self._agreed(
            tx,
            caller,
            grantee=grantee,
            terms=terms,
            resource=resource,
            parent=parent,
            grant_id=grant_id,
        )
        record.notice.assert_shown(notice_hash)
        given = next_event(
            [],
            ConsentState.GIVEN,
            by=caller.person_id,
            at=record.created_at,
            valid_until=grant.expires_at,
        )
        receipts = await self.agreement.receipts_for(record, [given], grant)
        await tx.keep(record, given, grant, receipts)
        return grant

    async def _agreed(
        self,
        tx: ConsentTransaction,
        caller: Caller,
        *,
        grantee: Party,
        terms: Terms,
        resource: SharedResource,
        parent: Grant | None,
        grant_id: GrantId,
    ) -> tuple[Grant, ConsentRecord]:
        """What is agreed to by giving it now; nothing is kept of it here."""
        grantor = await tx.party(caller.person_id)
        if grantor is None:
            raise NotFound
        now = await tx.now()
        terms = terms.beginning_with(parent, now)
        grant = terms.grant(
            id=grant_id,
            consent_id=ConsentId(self.new_id()),
            owner_id=resource.owner_id,
            grantor_id=caller.person_id,
            grantee_id=grantee.person_id,
            now=now,
            parent=parent,
        )
        record = await self.agreement.record(
            tx,
            terms,
            consent_id=grant.consent_id,
            principal_id=resource.owner_id,
            grantor=grantor,
            grantee=grantee,
            at=now,
            index_mode=resource.index_mode,
            parent_id=None if parent is None else parent.consent_id,
        )
        return grant, record


async def _recipient(
    tx: ConsentTransaction,
    caller: Caller,
    grantee: str | PersonId,
    terms: Terms,
    parent_id: GrantId | None,
) -> Party:
    """Whoever may not share it is not told whether there is such a person."""
    recipient = await tx.party(grantee)
    if recipient is None:
        await _sharable(tx, caller, terms, parent_id)
        raise GranteeUnknown(field="/grantee")
    return recipient


async def _sharable(
    tx: ConsentTransaction, caller: Caller, terms: Terms, parent_id: GrantId | None
) -> tuple[SharedResource, Grant | None]:
    """The resource, and the grant that it is shared onward from."""
    resource = await tx.resource(terms.resource)
    if parent_id is None:
        if resource is None or resource.owner_id != caller.person_id:
            raise NotFound
        return resource, None
    parent = await tx.grant(parent_id)
    if parent is None or parent.grantee_id != caller.person_id:
        raise GrantNotFound
    if resource is None or parent.revoked_at is not None or Action.SHARE not in parent.actions:
        raise NotFound
    return resource, parent
