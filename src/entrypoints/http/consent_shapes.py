"""Grants and consents as they are on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, TypeVar
from uuid import UUID

import msgspec
from msgspec import Meta

from application.consent.withdraw_consent import RevocationReceipt
from domain.consent.grant import INTERVAL_MAX, USES_MAX, VERSIONS_MAX, Grant, UsesPerInterval
from domain.consent.notice import Notice
from domain.consent.record import (
    LAWFUL_BASIS,
    ConsentEvent,
    ConsentRecord,
    agreed_until,
    state_of,
    withdrawal_method,
)
from domain.consent.terms import Terms
from domain.consent.withdrawal_policy import DPV_TERMS, KeepingBasis
from domain.identity import Acr, Action, LawfulBasis, Purpose, ResourceKind, ResourceRef
from domain.json_pointer import LENGTH_MAX, POINTERS_MAX
from entrypoints.http.second_factor import CodeText

_T = TypeVar("_T", int, str)

RETENTION_SECONDS_MAX = 366 * 10 * 86_400
USES = (
    "How many releases. One is spent by each answer that rests on the grant: the title, a record, "
    "all of a content or one range of it, 304 (that nothing changed is told only to those who may "
    "read), a page of a search, the excerpts of a prompt, the opening of what is sealed to search "
    "it. It is spent when it is recorded, also where the reader then hangs up."
)
NOTICE_HASH = (
    "SHA-256 in hex, over `language`, a line feed (U+000A) and `text`, in UTF-8: what is recorded "
    "of the consent, and signed in its receipts."
)

Instant = Annotated[datetime, Meta(tz=True, description="RFC 3339, with an offset.")]
Someone = Annotated[str, Meta(min_length=3, max_length=254, description="Email address or id.")]
Number = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Pointer = Annotated[str, Meta(max_length=LENGTH_MAX, description="A JSON Pointer (RFC 6901).")]


class Resource(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is shared."""

    kind: ResourceKind
    id: UUID


class Interval(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """At most so many uses in each interval, which begins with the first of them."""

    uses: Annotated[int, Meta(ge=1, le=USES_MAX)]
    seconds: Annotated[int, Meta(ge=1, le=int(INTERVAL_MAX.total_seconds()))]


class TermsAsked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """On what, for what, until when, how often. What is left out is not limited.

    Of `actions`, `read` opens a thing to look at it, `export` to take it along (`action=export`);
    `search` finds passages, `quote` has them in answers, `share` passes it on, never wider.
    `derive` opens nothing to a recipient: what is made of a thing is made in its owner's name.

    `fields` are those of a record. The recipient keeps what was shown for `retention_seconds` at
    most, and must be signed in at the level `required_acr`.
    """

    resource: Resource
    actions: Annotated[list[Action], Meta(min_length=1, max_length=len(Action))]
    purpose: Annotated[str, Meta(min_length=1, max_length=64)]
    expires_at: Instant
    not_before: Instant | None = None
    fields: Annotated[list[Pointer], Meta(min_length=1, max_length=POINTERS_MAX)] | None = None
    versions: Annotated[list[Number], Meta(min_length=1, max_length=VERSIONS_MAX)] | None = None
    max_uses: Annotated[int, Meta(ge=1, le=USES_MAX, description=USES)] | None = None
    uses_per_interval: Interval | None = None
    retention_seconds: Annotated[int, Meta(ge=0, le=RETENTION_SECONDS_MAX)] | None = None
    required_acr: Literal["mfa"] | None = None


class GrantMeant(TermsAsked, forbid_unknown_fields=True, kw_only=True):
    """What one would allow, and to whom. `parent_id` is the grant that is shared onward."""

    grantee: Someone
    parent_id: UUID | None = None


class NewGrant(GrantMeant, forbid_unknown_fields=True, kw_only=True):
    """What one allows, and to whom. `parent_id` is the grant that is shared onward; `totp` a
    second factor, where the resource demands one. With `notice_sha256`, that of the notice which
    one has read (`POST /v1/grants/notice`), it is given under this notice or not at all."""

    totp: CodeText | None = None
    notice_sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", max_length=64)] | None = None


class NewConsent(TermsAsked, forbid_unknown_fields=True, kw_only=True):
    """What one asks `principal` for, or gives to `grantee`: one of the two. Giving may take a
    second factor."""

    principal: Someone | None = None
    grantee: Someone | None = None
    totp: CodeText | None = None


class Approving(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A second factor, where what is asked for demands one."""

    totp: CodeText | None = None


class Renewal(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Until when the same agreement is to hold from now on, with a second factor if demanded."""

    expires_at: Instant
    totp: CodeText | None = None


class IntervalShown(msgspec.Struct, kw_only=True):
    """A limit per interval, and how many uses are left in the one that is counted, which ends at
    `ends_at`: from then on there are all of them. Null before the first use."""

    uses: int
    seconds: int
    left: int | None
    ends_at: datetime | None


class GrantShown(msgspec.Struct, kw_only=True):
    """A grant as it stands, the same for all sides. What is null is not limited."""

    id: UUID
    consent_id: UUID
    parent_id: UUID | None
    owner_id: UUID
    grantor_id: UUID
    grantee_id: UUID
    resource: Resource
    fields: list[str] | None
    versions: list[int] | None
    actions: list[Action]
    purpose: str
    not_before: datetime
    expires_at: datetime
    max_uses: int | None
    uses_left: int | None
    uses_per_interval: IntervalShown | None
    retention_seconds: int | None
    required_acr: Acr | None
    epoch: int
    created_at: datetime
    revoked_at: datetime | None


class ConsentEventShown(msgspec.Struct, kw_only=True):
    """One step in the life of a consent, which from then on holds until `valid_until`."""

    seq: int
    event_type: str
    event_state: str
    entity_id: UUID
    event_time: datetime
    valid_until: datetime | None


class NoticeShown(msgspec.Struct, kw_only=True):
    """The notice exactly as it was shown."""

    language: str
    text: str
    sha256: Annotated[str, Meta(description=NOTICE_HASH)]


class ResourceOfConsent(msgspec.Struct, kw_only=True):
    """What the consent is about."""

    kind: ResourceKind
    id: UUID
    fields: list[str] | None
    versions: list[int] | None


class ConsentShown(msgspec.Struct, kw_only=True):
    """A consent record under the field names of ISO/IEC TS 27560, with its events. It ends when it
    was last agreed to end, in a renewal as well."""

    record_id: UUID
    parent_record_id: UUID | None
    pii_principal_id: UUID
    pii_controllers: list[str]
    recipient_third_parties: list[UUID]
    pii_information: list[ResourceOfConsent]
    actions: list[Action]
    purposes: list[str]
    lawful_basis: str
    collection_method: str
    withdrawal_method: str
    jurisdiction: str | None
    retention_period: int | None
    validity_duration: tuple[datetime | None, datetime]
    max_uses: int | None
    uses_per_interval: Interval | None
    required_acr: Acr | None
    language: str
    notice: NoticeShown
    event_type: str
    event_state: str
    event_time: datetime
    entity_id: UUID
    events: list[ConsentEventShown]


class ReceiptShown(msgspec.Struct, kw_only=True):
    """A receipt as a JWS (RFC 7515), signed by this deployment."""

    receipt: str


class StreamShown(msgspec.Struct, kw_only=True):
    """A stream that was under way, and when it ended."""

    run_id: UUID
    ended_at: datetime


class KeepingBasisShown(msgspec.Struct, kw_only=True):
    """On what answers were kept: a basis of Article 6(1) of the GDPR, its term in the Data Privacy
    Vocabulary, and where it is written down."""

    lawful_basis: LawfulBasis
    dpv_term: str
    reference: str


class RevocationShown(msgspec.Struct, kw_only=True):
    """What a withdrawal did. `last_release_numbers` tells up to where each document was read; of a
    collection, each that it holds, up to a thousand.

    `answers_kept` were finished, and stay with those who were answered, because the tenant's policy
    says so; `kept_under` says on which basis. The signed receipt says the same.
    """

    grants: list[GrantShown]
    streams: list[StreamShown]
    runs_stopped: int
    answers_hidden: int
    answers_kept: int
    kept_under: KeepingBasisShown | None
    last_release_numbers: dict[str, int]
    receipt: str


def terms_of(asked: TermsAsked) -> Terms:
    interval, retention = asked.uses_per_interval, asked.retention_seconds
    return Terms(
        resource=ResourceRef(kind=asked.resource.kind, id=asked.resource.id),
        fields=None if asked.fields is None else frozenset(asked.fields),
        versions=None if asked.versions is None else frozenset(asked.versions),
        actions=frozenset(asked.actions),
        purpose=Purpose(asked.purpose),
        not_before=asked.not_before,
        expires_at=asked.expires_at,
        max_uses=asked.max_uses,
        uses_per_interval=None
        if interval is None
        else UsesPerInterval(uses=interval.uses, seconds=interval.seconds),
        retention=None if retention is None else timedelta(seconds=retention),
        required_acr=asked.required_acr and Acr(asked.required_acr),
    )


def grant_shown(grant: Grant) -> GrantShown:
    interval = grant.uses_per_interval
    return GrantShown(
        id=grant.id,
        consent_id=grant.consent_id,
        parent_id=grant.parent_id,
        owner_id=grant.owner_id,
        grantor_id=grant.grantor_id,
        grantee_id=grant.grantee_id,
        resource=Resource(kind=grant.resource.kind, id=grant.resource.id),
        fields=_listed(grant.fields),
        versions=_listed(grant.versions),
        actions=sorted(grant.actions),
        purpose=grant.purpose,
        not_before=grant.not_before,
        expires_at=grant.expires_at,
        max_uses=grant.max_uses,
        uses_left=grant.uses_left,
        uses_per_interval=None
        if interval is None
        else IntervalShown(
            uses=interval.uses,
            seconds=interval.seconds,
            left=interval.left,
            ends_at=interval.ends_at,
        ),
        retention_seconds=_seconds(grant.retention),
        required_acr=grant.required_acr,
        epoch=grant.epoch,
        created_at=grant.created_at,
        revoked_at=grant.revoked_at,
    )


def consent_shown(record: ConsentRecord, events: Sequence[ConsentEvent]) -> ConsentShown:
    terms, notice = record.terms, record.notice
    interval, latest = terms.uses_per_interval, max(events, key=lambda event: event.seq)
    return ConsentShown(
        record_id=record.record_id,
        parent_record_id=record.parent_id,
        pii_principal_id=record.pii_principal_id,
        pii_controllers=[record.pii_controller],
        recipient_third_parties=[record.recipient_id],
        pii_information=[
            ResourceOfConsent(
                kind=terms.resource.kind,
                id=terms.resource.id,
                fields=_listed(terms.fields),
                versions=_listed(terms.versions),
            )
        ],
        actions=sorted(terms.actions),
        purposes=[terms.purpose],
        lawful_basis=LAWFUL_BASIS,
        collection_method=record.collection_method,
        withdrawal_method=withdrawal_method(record.record_id),
        jurisdiction=record.jurisdiction,
        retention_period=_seconds(terms.retention),
        validity_duration=(terms.not_before, agreed_until(events) or terms.expires_at),
        max_uses=terms.max_uses,
        uses_per_interval=None
        if interval is None
        else Interval(uses=interval.uses, seconds=interval.seconds),
        required_acr=terms.required_acr,
        language=notice.language,
        notice=notice_shown(notice),
        event_type=latest.event_type,
        event_state=state_of(events),
        event_time=latest.event_time,
        entity_id=latest.entity_id,
        events=[_event_shown(event) for event in events],
    )


def notice_shown(notice: Notice) -> NoticeShown:
    return NoticeShown(language=notice.language, text=notice.body, sha256=notice.hash.hex())


def revocation_shown(receipt: RevocationReceipt) -> RevocationShown:
    revocation = receipt.revocation
    numbers = revocation.last_release_numbers
    return RevocationShown(
        grants=[grant_shown(grant) for grant in revocation.grants],
        streams=[
            StreamShown(run_id=each.run_id, ended_at=each.ended_at) for each in revocation.streams
        ],
        runs_stopped=len(revocation.streams),
        answers_hidden=revocation.answers_hidden,
        answers_kept=revocation.answers_kept,
        kept_under=_basis_shown(revocation.kept_under),
        last_release_numbers={str(document): number for document, number in numbers.items()},
        receipt=receipt.signed,
    )


def _basis_shown(basis: KeepingBasis | None) -> KeepingBasisShown | None:
    if basis is None:
        return None
    return KeepingBasisShown(
        lawful_basis=basis.lawful_basis,
        dpv_term=DPV_TERMS[basis.lawful_basis],
        reference=basis.reference,
    )


def _event_shown(event: ConsentEvent) -> ConsentEventShown:
    return ConsentEventShown(
        seq=event.seq,
        event_type=event.event_type,
        event_state=event.event_state,
        entity_id=event.entity_id,
        event_time=event.event_time,
        valid_until=event.valid_until,
    )


def _listed(chosen: frozenset[_T] | None) -> list[_T] | None:
    return None if chosen is None else sorted(chosen)


def _seconds(duration: timedelta | None) -> int | None:
    return None if duration is None else int(duration.total_seconds())
