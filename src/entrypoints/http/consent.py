"""Grants and consents over HTTP: give, list, withdraw, and show receipts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from adapters.memory.rate_limits import LimitReached
from application.consent.answer_request import ApproveRequest, RefuseRequest
from application.consent.export_consent import ExportConsent
from application.consent.give_grant import GiveGrant
from application.consent.ports import Consents
from application.consent.renew_consent import RenewConsent
from application.consent.request_access import RequestAccess
from application.consent.show_receipt import ShowReceipt
from application.consent.tell_notice import TellNotice
from application.consent.withdraw_consent import RevokeGrant, WithdrawConsent
from domain.consent.exports import ExportForm
from domain.consent.grant import GrantNotFound
from domain.consent.record import ConsentEvent, ConsentNotFound, ConsentRecord
from domain.identity import Caller, ConsentId, GrantId, PersonId
from entrypoints.http.consent_shapes import (
    Approving,
    ConsentShown,
    GrantMeant,
    GrantShown,
    NewConsent,
    NewGrant,
    NoticeShown,
    ReceiptShown,
    Renewal,
    RevocationShown,
    consent_shown,
    grant_shown,
    notice_shown,
    revocation_shown,
    terms_of,
)
from entrypoints.http.idempotency import IdempotencyKey, idempotency_of
from entrypoints.http.injected import Injected
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of
from entrypoints.http.rate_limits import limit_reached
from entrypoints.http.refusals import InvalidFields, WrongField

GRANT_EXAMPLE = {
    "grantee": "ben@example.org",
    "resource": {"kind": "document", "id": "01930000-0000-7000-8000-000000000000"},
    "actions": ["read", "search", "quote"],
    "purpose": "care",
    "expires_at": "2030-01-01T00:00:00Z",
    "max_uses": 5,
}
REQUEST_EXAMPLE = {
    **{name: value for name, value in GRANT_EXAMPLE.items() if name != "grantee"},
    "principal": "asha@example.org",
}
RENEWAL_EXAMPLE = {"expires_at": "2031-01-01T00:00:00Z"}
EXPORT_TYPES = {ExportForm.KANTARA: "application/json", ExportForm.DPV: "application/ld+json"}


class GrantsController(Controller):
    """/v1/grants"""

    path = "/v1/grants"
    tags = ("Consent",)
    exception_handlers = {LimitReached: limit_reached}  # noqa: RUF012

    @post(status_code=201, opt={"example": GRANT_EXAMPLE})
    async def give_grant(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        give_grant: Injected[GiveGrant],
        data: JSONBody[NewGrant],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[GrantShown]:
        """Share what is one's own, or what one may share onward: consent and grant in one step.

        409 `notice_differs` where the notice is not the one of `notice_sha256` any more.
        """
        shown = data.notice_sha256
        grant = await give_grant(
            caller=caller,
            grantee=person_named(data.grantee),
            terms=terms_of(data),
            parent_id=None if data.parent_id is None else GrantId(data.parent_id),
            code=data.totp,
            notice_hash=None if shown is None else bytes.fromhex(shown),
            idempotency=idempotency_of(request, idempotency_key, data),
        )
        return Response(grant_shown(grant), headers={"Location": f"{self.path}/{grant.id}"})

    @post("/notice", status_code=200, opt={"example": GRANT_EXAMPLE})
    async def show_notice(
        self,
        caller: Injected[Caller],
        tell_notice: Injected[TellNotice],
        data: JSONBody[GrantMeant],
    ) -> NoticeShown:
        """The notice that would be recorded if this was given now: read it, then give it.

        Nothing is given, and nobody else learns of it.
        """
        return notice_shown(
            await tell_notice(
                caller=caller,
                grantee=person_named(data.grantee),
                terms=terms_of(data),
                parent_id=None if data.parent_id is None else GrantId(data.parent_id),
            )
        )

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
            show=grant_shown,
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
        return grant_shown(grant)

    @post("/{grant_id:uuid}/revoke", status_code=200)
    async def revoke_grant(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        revoke_grant: Injected[RevokeGrant],
        grant_id: FromPath[UUID],
        idempotency_key: IdempotencyKey = None,
    ) -> RevocationShown:
        """Take a grant back, with the consent behind it. Holds for everything after the answer."""
        receipt = await revoke_grant(
            caller=caller,
            grant_id=GrantId(grant_id),
            idempotency=idempotency_of(request, idempotency_key),
        )
        return revocation_shown(receipt)


class ConsentsController(Controller):
    """/v1/consents"""

    path = "/v1/consents"
    tags = ("Consent",)
    exception_handlers = {LimitReached: limit_reached}  # noqa: RUF012

    @post(status_code=201, opt={"example": REQUEST_EXAMPLE})
    async def add_consent(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        consents: Injected[Consents],
        request_access: Injected[RequestAccess],
        give_grant: Injected[GiveGrant],
        data: JSONBody[NewConsent],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[ConsentShown]:
        """Ask somebody (`principal`) for access, or give it (`grantee`). A request is answered the
        same whether or not there is such a thing."""
        idempotency = idempotency_of(request, idempotency_key, data)
        if (data.principal is None) == (data.grantee is None):
            detail = "Name the person who is asked, or the one who is given something."
            raise InvalidFields([WrongField("/principal", detail)])
        if data.principal is not None and data.totp is not None:
            raise InvalidFields([WrongField("/totp", "Asking takes no second factor.")])
        if data.principal is not None:
            record, events = await request_access(
                caller=caller,
                principal=person_named(data.principal),
                terms=terms_of(data),
                idempotency=idempotency,
            )
        else:
            assert data.grantee is not None
            grant = await give_grant(
                caller=caller,
                grantee=person_named(data.grantee),
                terms=terms_of(data),
                code=data.totp,
                idempotency=idempotency,
            )
            record, events = await _consent(consents, caller, grant.consent_id)
        location = {"Location": f"{self.path}/{record.record_id}"}
        return Response(consent_shown(record, events), headers=location)

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
            show=lambda each: consent_shown(*each),
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
        return consent_shown(*await _consent(consents, caller, ConsentId(consent_id)))

    @get("/{consent_id:uuid}/receipt")
    async def get_receipt(
        self,
        caller: Injected[Caller],
        show_receipt: Injected[ShowReceipt],
        consent_id: FromPath[UUID],
    ) -> ReceiptShown:
        """One's own receipt of the latest event: each side has one, with an id of its own. Whoever
        ended the consent is told what that did."""
        receipt = await show_receipt(caller=caller, consent_id=ConsentId(consent_id))
        return ReceiptShown(receipt=receipt)

    @get("/{consent_id:uuid}/export")
    async def export_consent(
        self,
        caller: Injected[Caller],
        export_consent: Injected[ExportConsent],
        consent_id: FromPath[UUID],
        form: Annotated[
            ExportForm, QueryParameter(name="format", description="Which standard's form.")
        ] = ExportForm.DPV,
    ) -> Response[dict[str, Any]]:
        """One consent as a Kantara consent receipt (1.1), or as DPV in JSON-LD."""
        exported = await export_consent(caller=caller, consent_id=ConsentId(consent_id), form=form)
        return Response(exported, media_type=EXPORT_TYPES[form])

    @post("/{consent_id:uuid}/approve", status_code=201, opt={"example": {"totp": "287082"}})
    async def approve_request(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        approve_request: Injected[ApproveRequest],
        consent_id: FromPath[UUID],
        data: JSONBody[Approving | None] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> Response[GrantShown]:
        """Agree to what was asked for, exactly; the answer is the grant that follows.

        409 `notice_outdated` where the tenant has begun to keep answers after a withdrawal and
        the notice does not say so: it is asked for anew.
        """
        code = None if data is None else data.totp
        grant = await approve_request(
            caller=caller,
            consent_id=ConsentId(consent_id),
            code=code,
            idempotency=idempotency_of(request, idempotency_key, data),
        )
        return Response(grant_shown(grant), headers={"Location": f"/v1/grants/{grant.id}"})

    @post("/{consent_id:uuid}/refuse", status_code=200)
    async def refuse_request(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        refuse_request: Injected[RefuseRequest],
        consent_id: FromPath[UUID],
        idempotency_key: IdempotencyKey = None,
    ) -> ConsentShown:
        """Say no to what was asked for. That is recorded, and both sides get a receipt of it."""
        refused = await refuse_request(
            caller=caller,
            consent_id=ConsentId(consent_id),
            idempotency=idempotency_of(request, idempotency_key),
        )
        return consent_shown(*refused)

    @post("/{consent_id:uuid}/renew", status_code=201, opt={"example": RENEWAL_EXAMPLE})
    async def renew_consent(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        renew_consent: Injected[RenewConsent],
        consent_id: FromPath[UUID],
        data: JSONBody[Renewal],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[GrantShown]:
        """The same agreement for longer: a new grant follows, with all its uses.

        409 `notice_outdated` where the tenant has begun to keep answers after a withdrawal and
        the notice does not say so: it is given anew.
        """
        grant = await renew_consent(
            caller=caller,
            consent_id=ConsentId(consent_id),
            expires_at=data.expires_at,
            code=data.totp,
            idempotency=idempotency_of(request, idempotency_key, data),
        )
        return Response(grant_shown(grant), headers={"Location": f"/v1/grants/{grant.id}"})

    @post("/{consent_id:uuid}/withdraw", status_code=200)
    async def withdraw_consent(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        withdraw_consent: Injected[WithdrawConsent],
        consent_id: FromPath[UUID],
        idempotency_key: IdempotencyKey = None,
    ) -> RevocationShown:
        """Withdraw a consent one gave. Nothing is shown under it once this is answered."""
        receipt = await withdraw_consent(
            caller=caller,
            consent_id=ConsentId(consent_id),
            idempotency=idempotency_of(request, idempotency_key),
        )
        return revocation_shown(receipt)


async def _consent(
    consents: Consents, caller: Caller, consent_id: ConsentId
) -> tuple[ConsentRecord, Sequence[ConsentEvent]]:
    async with consents.begin(caller) as tx:
        record = await tx.consent(consent_id)
        if record is None:
            raise ConsentNotFound
        return record, await tx.events(consent_id)


def person_named(grantee: str) -> str | PersonId:
    try:
        return PersonId(UUID(grantee))
    except ValueError:
        return grantee
