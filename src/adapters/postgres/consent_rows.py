"""Rows of the table `consents`, as records."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from domain.consent.grant import UsesPerInterval
from domain.consent.notice import Notice
from domain.consent.record import ConsentEvent, ConsentRecord, ConsentState
from domain.consent.terms import Terms
from domain.identity import (
    Acr,
    Action,
    ConsentId,
    PersonId,
    Purpose,
    ResourceKind,
    ResourceRef,
)


def record_of(row: Any) -> ConsentRecord:
    """From the record's claims as they are stored: see domain/consent/receipt.py."""
    fixed = row.record
    return ConsentRecord(
        record_id=ConsentId(UUID(fixed["record_id"])),
        parent_id=row.parent_id and ConsentId(row.parent_id),
        pii_principal_id=PersonId(UUID(fixed["pii_principal_id"])),
        recipient_id=PersonId(UUID(fixed["recipient_third_parties"][0])),
        terms=_terms_of(fixed),
        notice=Notice(language=row.language, body=row.body),
        pii_controller=fixed["pii_controllers"][0],
        jurisdiction=fixed.get("jurisdiction"),
        collection_method=fixed["collection_method"],
        created_at=row.created_at,
    )


def event_of(row: Any) -> ConsentEvent:
    return ConsentEvent(
        seq=row.seq,
        event_state=ConsentState(row.event_state),
        entity_id=PersonId(row.entity_id),
        event_time=row.event_time,
        valid_until=row.valid_until,
    )


def _terms_of(fixed: dict[str, Any]) -> Terms:
    about = fixed["pii_information"][0]
    begins, ends = fixed["validity_duration"]
    interval, retention = fixed.get("uses_per_interval"), fixed.get("retention_period")
    acr = fixed.get("required_acr")
    return Terms(
        resource=ResourceRef(kind=ResourceKind(about["kind"]), id=UUID(about["id"])),
        fields=None if about["fields"] is None else frozenset(about["fields"]),
        versions=None if about["versions"] is None else frozenset(about["versions"]),
        actions=frozenset(Action(action) for action in fixed["actions"]),
        purpose=Purpose(fixed["purposes"][0]),
        not_before=begins and datetime.fromisoformat(begins),
        expires_at=datetime.fromisoformat(ends),
        max_uses=fixed.get("max_uses"),
        uses_per_interval=interval and UsesPerInterval(**interval),
        retention=None if retention is None else timedelta(seconds=retention),
        required_acr=acr and Acr(acr),
    )
