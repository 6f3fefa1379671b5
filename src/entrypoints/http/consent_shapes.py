"""Grants and consents as they are on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from application.consent.withdraw_consent import RevocationReceipt
from domain.consent.grant import USES_MAX, Grant
from domain.consent.record import ConsentEvent, ConsentRecord, state_of
from domain.identity import Action

Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339, with an offset.")]


class Resource(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is shared."""

    kind: Literal["document"]
    id: UUID


class NewGrant(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the owner allows, to whom, for what, and until when."""

    grantee: Annotated[str, Meta(min_length=3, max_length=254, description="Email address or id.")]
    resource: Resource
    actions: Annotated[list[Action], Meta(min_length=1, max_length=6)]
    purpose: Annotated[str, Meta(min_length=1, max_length=64)]
    expires_at: Instant
    not_before: Instant | None = None
    max_uses: Annotated[int, Meta(ge=1, le=USES_MAX)] | None = None


class GrantShown(msgspec.Struct, kw_only=True):
    """A grant as it stands, the same for both sides."""

    id: UUID
    consent_id: UUID
    grantor_id: UUID
    grantee_id: UUID
    resource: Resource
    actions: list[Action]
    purpose: str
    not_before: datetime
    expires_at: datetime
    max_uses: int | None
    uses_left: int | None
    epoch: int
    created_at: datetime
    revoked_at: datetime | None


class ConsentEventShown(msgspec.Struct, kw_only=True):
    """One step in the life of a consent."""

    seq: int
    event_type: str
    event_state: str
    entity_id: UUID
    event_time: datetime


class NoticeShown(msgspec.Struct, kw_only=True):
    """The notice exactly as it was shown."""

    language: str
    text: str


class ConsentShown(msgspec.Struct, kw_only=True):
    """A consent record under the field names of ISO/IEC TS 27560, with its events."""

    record_id: UUID
    pii_principal_id: UUID
    recipient_third_parties: list[UUID]
    pii_information: Resource
    actions: list[Action]
    purposes: list[str]
    validity_duration: tuple[datetime, datetime]
    notice: NoticeShown
    event_state: str
    events: list[ConsentEventShown]


class ReceiptShown(msgspec.Struct, kw_only=True):
    """A receipt as a JWS (RFC 7515), signed by this deployment."""

    receipt: str


class RevocationShown(msgspec.Struct, kw_only=True):
    """What a withdrawal did. `last_release_numbers` tells up to where each document was read."""

    grants: list[GrantShown]
    runs_stopped: int
    answers_hidden: int
    last_release_numbers: dict[str, int]
    receipt: str


def grant_shown(grant: Grant) -> GrantShown:
    return GrantShown(
        id=grant.id,
        consent_id=grant.consent_id,
        grantor_id=grant.grantor_id,
        grantee_id=grant.grantee_id,
        resource=Resource(kind="document", id=grant.document_id),
        actions=sorted(grant.actions),
        purpose=grant.purpose,
        not_before=grant.not_before,
        expires_at=grant.expires_at,
        max_uses=grant.max_uses,
        uses_left=grant.uses_left,
        epoch=grant.epoch,
        created_at=grant.created_at,
        revoked_at=grant.revoked_at,
    )


def consent_shown(record: ConsentRecord, events: Sequence[ConsentEvent]) -> ConsentShown:
    return ConsentShown(
        record_id=record.record_id,
        pii_principal_id=record.pii_principal_id,
        recipient_third_parties=[record.recipient_id],
        pii_information=Resource(kind="document", id=record.pii_information),
        actions=sorted(record.actions),
        purposes=[record.purpose],
        validity_duration=(record.valid_from, record.valid_until),
        notice=NoticeShown(language=record.notice.language, text=record.notice.body),
        event_state=state_of(events),
        events=[
            ConsentEventShown(
                seq=event.seq,
                event_type=event.event_type,
                event_state=event.event_state,
                entity_id=event.entity_id,
                event_time=event.event_time,
            )
            for event in events
        ],
    )


def revocation_shown(receipt: RevocationReceipt) -> RevocationShown:
    revocation = receipt.revocation
    numbers = revocation.last_release_numbers
    return RevocationShown(
        grants=[grant_shown(grant) for grant in revocation.grants],
        runs_stopped=revocation.runs_stopped,
        answers_hidden=revocation.answers_hidden,
        last_release_numbers={str(document): number for document, number in numbers.items()},
        receipt=receipt.signed,
    )
