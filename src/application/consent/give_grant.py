"""Share a document: consent and grant in one step, with a receipt for each side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from application.consent.ports import Consents, ConsentTransaction, Party, ReceiptSigner
from application.ports import Idempotency, NewId
from domain.consent.grant import Grant, GranteeUnknown, PurposeUnknown, assert_future
from domain.consent.record import ConsentEvent, ConsentRecord, ConsentState, written_notice
from domain.errors import NotFound
from domain.identity import Action, Caller, ConsentId, DocumentId, GrantId, PersonId, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantTerms:
    """What the owner wants to allow. `grantee` is an email address or a person's id."""

    grantee: str | PersonId
    document_id: DocumentId
    actions: frozenset[Action]
    purpose: Purpose
    not_before: datetime | None
    expires_at: datetime
    max_uses: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveGrant:
    """The owner's consent, written down, and the grant that follows from it."""

    consents: Consents
    receipts: ReceiptSigner
    new_id: NewId

    async def __call__(
        self, *, caller: Caller, terms: GrantTerms, idempotency: Idempotency | None = None
    ) -> Grant:
        """Raises NotFound unless the caller owns the document; Invalid names the field."""
        async with self.consents.begin(caller) as tx:
            fresh = GrantId(self.new_id())
            claimed = await tx.claim(idempotency, fresh)
            if claimed != fresh:
                earlier = await tx.grant(claimed)
                assert earlier is not None
                return earlier
            if await tx.owner_of(terms.document_id) != caller.person_id:
                raise NotFound
            grantor, grantee = await self._parties(tx, caller, terms)
            grant = await self._grant(tx, fresh, terms, grantor, grantee)
            record = await self._record(tx, grant, grantor, grantee)
            given = ConsentEvent(
                seq=1,
                event_type="consent_given",
                event_state=ConsentState.GIVEN,
                entity_id=caller.person_id,
                event_time=grant.created_at,
            )
            await tx.keep(record, given, grant, await self._receipts(record, grant))
        return grant

    async def _parties(
        self, tx: ConsentTransaction, caller: Caller, terms: GrantTerms
    ) -> tuple[Party, Party]:
        grantor = await tx.party(caller.person_id)
        grantee = await tx.party(terms.grantee)
        if grantor is None or grantee is None:
            raise GranteeUnknown(field="/grantee")
        return grantor, grantee

    async def _grant(
        self,
        tx: ConsentTransaction,
        grant_id: GrantId,
        terms: GrantTerms,
        grantor: Party,
        grantee: Party,
    ) -> Grant:
        now = await tx.now()
        assert_future(terms.expires_at, now)
        return Grant(
            id=grant_id,
            consent_id=ConsentId(self.new_id()),
            grantor_id=grantor.person_id,
            grantee_id=grantee.person_id,
            document_id=terms.document_id,
            actions=terms.actions,
            purpose=terms.purpose,
            not_before=terms.not_before or now,
            expires_at=terms.expires_at,
            max_uses=terms.max_uses,
            uses_left=terms.max_uses,
            created_at=now,
        )

    async def _record(
        self, tx: ConsentTransaction, grant: Grant, grantor: Party, grantee: Party
    ) -> ConsentRecord:
        purpose_title = await tx.purpose_title(grant.purpose)
        if purpose_title is None:
            raise PurposeUnknown(field="/purpose")
        return ConsentRecord(
            record_id=grant.consent_id,
            pii_principal_id=grantor.person_id,
            recipient_id=grantee.person_id,
            pii_information=grant.document_id,
            actions=grant.actions,
            purpose=grant.purpose,
            valid_from=grant.not_before,
            valid_until=grant.expires_at,
            notice=written_notice(
                grantor=grantor.display_name,
                grantee=grantee.display_name,
                actions=grant.actions,
                purpose_title=purpose_title,
                valid_from=grant.not_before,
                valid_until=grant.expires_at,
                max_uses=grant.max_uses,
            ),
            created_at=grant.created_at,
        )

    async def _receipts(self, record: ConsentRecord, grant: Grant) -> Mapping[PersonId, str]:
        """One receipt for each side, with an id of its own."""
        parties = (record.pii_principal_id, record.recipient_id)
        return {party: await self._receipt(record, grant, party) for party in parties}

    async def _receipt(self, record: ConsentRecord, grant: Grant, party: PersonId) -> str:
        claims: dict[str, object] = {
            "receipt_id": str(self.new_id()),
            "issued_to": str(party),
            "record_id": str(record.record_id),
            "grant_id": str(grant.id),
            "pii_principal_id": str(record.pii_principal_id),
            "recipient_third_parties": [str(record.recipient_id)],
            "pii_information": [{"kind": "document", "id": str(record.pii_information)}],
            "purposes": [record.purpose],
            "actions": sorted(record.actions),
            "lawful_basis": "consent",
            "collection_method": "api",
            "withdrawal_method": f"POST /v1/consents/{record.record_id}/withdraw",
            "validity_duration": [
                record.valid_from.isoformat(),
                record.valid_until.isoformat(),
            ],
            "max_uses": grant.max_uses,
            "notice": {"language": record.notice.language, "text": record.notice.body},
            "event_state": ConsentState.GIVEN,
            "event_time": record.created_at.isoformat(),
        }
        return await self.receipts.sign("consent-receipt", claims)
