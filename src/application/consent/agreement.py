"""What every agreement comes with: a record with its notice, and a receipt for each side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from application.consent.ports import ConsentTransaction, Party, ReceiptSigner
from application.ports import NewId
from domain.consent.exports import Controller
from domain.consent.grant import Grant, PurposeUnknown
from domain.consent.notice import written_notice
from domain.consent.receipt import receipt_claims
from domain.consent.record import ConsentEvent, ConsentRecord
from domain.consent.terms import Terms
from domain.identity import ConsentId, PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Writes records and receipts."""

    receipts: ReceiptSigner
    new_id: NewId
    controller: Controller

    async def record(
        self,
        tx: ConsentTransaction,
        terms: Terms,
        *,
        consent_id: ConsentId,
        principal_id: PersonId,
        grantor: Party,
        grantee: Party,
        at: datetime,
        index_mode: str | None = None,
        parent_id: ConsentId | None = None,
        asked_for: bool = False,
    ) -> ConsentRecord:
        """Raises PurposeUnknown. `grantor` differs from the principal where it is shared onward."""
        purpose = await tx.purpose(terms.purpose)
        if purpose is None:
            raise PurposeUnknown(field="/purpose")
        notice = written_notice(
            terms,
            grantor=grantor.display_name,
            grantee=grantee.display_name,
            purpose_title=purpose.title,
            controller=self.controller.name,
            withdrawal=await tx.withdrawal_policy(),
            index_mode=index_mode,
            asked_for=asked_for,
        )
        return ConsentRecord(
            record_id=consent_id,
            parent_id=parent_id,
            pii_principal_id=principal_id,
            recipient_id=grantee.person_id,
            terms=terms,
            notice=notice,
            pii_controller=self.controller.name,
            jurisdiction=self.controller.jurisdiction,
            created_at=at,
        )

    async def receipts_for(
        self, record: ConsentRecord, events: Sequence[ConsentEvent], grant: Grant | None
    ) -> Mapping[PersonId, str]:
        """One for each side, with an id of its own; whoever shared it onward is a side too."""
        sides = [record.pii_principal_id, record.recipient_id]
        if grant is not None and grant.grantor_id not in sides:
            sides.append(grant.grantor_id)
        return {
            side: await self.receipts.sign(
                "consent-receipt",
                receipt_claims(
                    record, events, receipt_id=str(self.new_id()), issued_to=side, grant=grant
                ),
            )
            for side in sides
        }
