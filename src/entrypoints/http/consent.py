"""Grants and consents over HTTP: give, list, withdraw, and show receipts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from application.consent.give_grant import GiveGrant, GrantTerms
from application.consent.ports import Consents
from application.consent.withdraw_consent import (
    RevocationReceipt,
    RevokeGrant,
    WithdrawConsent,
)
from domain.consent.grant import USES_MAX, Grant, GrantNotFound
from domain.consent.record import ConsentEvent, ConsentNotFound, ConsentRecord, state_of
from domain.identity import Action, Caller, ConsentId, DocumentId, GrantId, PersonId, Purpose
from entrypoints.http.idempotency import IdempotencyKey, idempotency_of
from entrypoints.http.injected import Injected
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of

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


class GrantsController(Controller):
    """/v1/grants"""

    path = "/v1/grants"
    tags = ("Consent",)

    @post(status_code=201)
    async def give_grant(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        give_grant: Injected[GiveGrant],
        data: JSONBody[NewGrant],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[GrantShown]:
        """Share one of one's own documents: consent and grant in one step."""
        terms = GrantTerms(
            grantee=_person(data.grantee),
            document_id=DocumentId(data.resource.id),
            actions=frozenset(data.actions),
            purpose=Purpose(data.purpose),
            not_before=data.not_before,
            expires_at=data.expires_at,
            max_uses=data.max_uses,
        )
        grant = await give_grant(
            caller=caller, terms=terms, idempotency=idempotency_of(request, idempotency_key, data)
        )
        return Response(_grant_shown(grant), headers={"Location": f"{self.path}/{grant.id}"})

    @get()
    async def list_grants(
        self,
        caller: Injected[Caller],
        consents: Injected[Consents],
        cursors: Injected[Cursors],
        direction: Annotated[
            Literal["given", "received"], QueryParameter(description="Whose side one is on.")
        ] = "given",
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[GrantShown]:
        """The grants one gave, or those one received; ended ones too."""
        of = f"grants {direction}"
        after = cursors.open(cursor, of=of, tenant_id=caller.tenant_id)
        found = await consents.grants(
            caller,
            given=direction == "given",
            after=GrantId(UUID(str(after[0]))) if after else None,
            limit=limit + 1,
        )
        return page_of(
            found,
            limit=limit,
            show=_grant_shown,
            position=lambda grant: (str(grant.id),),
            cursors=cursors,
            of=of,
            tenant_id=caller.tenant_id,
        )

    @get("/{grant_id:uuid}")
    async def get_grant(
        self,
        caller: Injected[Caller],
        consents: Injected[Consents],
        grant_id: FromPath[UUID],
    ) -> GrantShown:
        """One grant, for either side of it."""
        async with consents.begin(caller) as tx:
            grant = await tx.grant(GrantId(grant_id))
        if grant is None:
            raise GrantNotFound
        return _grant_shown(grant)

    @post("/{grant_id:uuid}/revoke", status_code=200)
    async def revoke_grant(
        self,
        caller: Injected[Caller],
        revoke_grant: Injected[RevokeGrant],
        grant_id: FromPath[UUID],
    ) -> RevocationShown:
        """Take a grant back, with the consent behind it. Holds for everything after the answer."""
        return _revocation_shown(await revoke_grant(caller=caller, grant_id=GrantId(grant_id)))


class ConsentsController(Controller):
    """/v1/consents"""

    path = "/v1/consents"
    tags = ("Consent",)

    @get()
    async def list_consents(
        self,
        caller: Injected[Caller],
        consents: Injected[Consents],
        cursors: Injected[Cursors],
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[ConsentShown]:
        """The consents that one is a side of, with their events."""
        after = cursors.open(cursor, of="consents", tenant_id=caller.tenant_id)
        found = await consents.consents(
            caller, after=ConsentId(UUID(str(after[0]))) if after else None, limit=limit + 1
        )
        return page_of(
            found,
            limit=limit,
            show=lambda each: _consent_shown(*each),
            position=lambda each: (str(each[0].record_id),),
            cursors=cursors,
            of="consents",
            tenant_id=caller.tenant_id,
        )

    @get("/{consent_id:uuid}")
    async def get_consent(
        self,
        caller: Injected[Caller],
        consents: Injected[Consents],
        consent_id: FromPath[UUID],
    ) -> ConsentShown:
        """One consent, for either side of it."""
        async with consents.begin(caller) as tx:
            record = await tx.consent(ConsentId(consent_id))
            if record is None:
                raise ConsentNotFound
            events = await tx.events(record.record_id)
        return _consent_shown(record, events)

    @get("/{consent_id:uuid}/receipt")
    async def get_receipt(
        self,
        caller: Injected[Caller],
        consents: Injected[Consents],
        consent_id: FromPath[UUID],
    ) -> ReceiptShown:
        """One's own receipt: each side has one, with an id of its own."""
        receipt = await consents.receipt(caller, ConsentId(consent_id))
        if receipt is None:
            raise ConsentNotFound
        return ReceiptShown(receipt=receipt)

    @post("/{consent_id:uuid}/withdraw", status_code=200)
    async def withdraw_consent(
        self,
        caller: Injected[Caller],
        withdraw_consent: Injected[WithdrawConsent],
        consent_id: FromPath[UUID],
    ) -> RevocationShown:
        """Withdraw a consent one gave. Nothing is shown under it once this is answered."""
        receipt = await withdraw_consent(caller=caller, consent_id=ConsentId(consent_id))
        return _revocation_shown(receipt)


def _person(grantee: str) -> str | PersonId:
    try:
        return PersonId(UUID(grantee))
    except ValueError:
        return grantee


def _grant_shown(grant: Grant) -> GrantShown:
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


def _consent_shown(record: ConsentRecord, events: Sequence[ConsentEvent]) -> ConsentShown:
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


def _revocation_shown(receipt: RevocationReceipt) -> RevocationShown:
    revocation = receipt.revocation
    numbers = revocation.last_release_numbers
    return RevocationShown(
        grants=[_grant_shown(grant) for grant in revocation.grants],
        runs_stopped=revocation.runs_stopped,
        answers_hidden=revocation.answers_hidden,
        last_release_numbers={str(document): number for document, number in numbers.items()},
        receipt=receipt.signed,
    )
