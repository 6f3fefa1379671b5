"""Rows of the table `consents`, as records."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from domain.consent.record import ConsentRecord, Notice
from domain.identity import Action, ConsentId, DocumentId, PersonId, Purpose


def json_of(record: ConsentRecord) -> dict[str, object]:
    """The fixed fields of the record, under their ISO/IEC TS 27560 names."""
    return {
        "record_id": str(record.record_id),
        "pii_principal_id": str(record.pii_principal_id),
        "recipient_third_parties": [str(record.recipient_id)],
        "pii_information": str(record.pii_information),
        "actions": sorted(record.actions),
        "purposes": [record.purpose],
        "lawful_basis": "consent",
        "collection_method": "api",
        "validity_duration": [record.valid_from.isoformat(), record.valid_until.isoformat()],
    }


def record_of(row: Any) -> ConsentRecord:
    fixed = row.record
    valid_from, valid_until = map(datetime.fromisoformat, fixed["validity_duration"])
    return ConsentRecord(
        record_id=ConsentId(UUID(fixed["record_id"])),
        pii_principal_id=PersonId(UUID(fixed["pii_principal_id"])),
        recipient_id=PersonId(UUID(fixed["recipient_third_parties"][0])),
        pii_information=DocumentId(UUID(fixed["pii_information"])),
        actions=frozenset(Action(action) for action in fixed["actions"]),
        purpose=Purpose(fixed["purposes"][0]),
        valid_from=valid_from,
        valid_until=valid_until,
        notice=Notice(language=row.language, body=row.body),
        created_at=row.created_at,
    )
