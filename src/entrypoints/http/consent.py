"""Grants and consents over HTTP: give, list, withdraw, and show receipts."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from application.consent.give_grant import GiveGrant, GrantTerms
from application.consent.ports import Consents
from application.consent.withdraw_consent import (
    RevokeGrant,
    WithdrawConsent,
)
from domain.consent.grant import GrantNotFound
from domain.consent.record import ConsentNotFound
from domain.identity import Caller, ConsentId, DocumentId, GrantId, PersonId, Purpose
from entrypoints.http.consent_shapes import (
    ConsentShown,
    GrantShown,
    NewGrant,
    ReceiptShown,
    RevocationShown,
    consent_shown,
    grant_shown,
    revocation_shown,
)
from entrypoints.http.idempotency import IdempotencyKey, idempotency_of
from entrypoints.http.injected import Injected
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of

GRANT_EXAMPLE = {
    "grantee": "ben@example.org",
    "resource": {"kind": "document", "id": "01930000-0000-7000-8000-000000000000"},
    "actions": ["read", "search", "quote"],
    "purpose": "care",
    "expires_at": "2030-01-01T00:00:00Z",
    "max_uses": 5,
}


class GrantsController(Controller):
    """/v1/grants"""

    path = "/v1/grants"
    tags = ("Consent",)

    @post(status_code=201, opt={"example": GRANT_EXAMPLE})
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
        return Response(grant_shown(grant), headers={"Location": f"{self.path}/{grant.id}"})

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
        caller: Injected[Caller],
        revoke_grant: Injected[RevokeGrant],
        grant_id: FromPath[UUID],
    ) -> RevocationShown:
        """Take a grant back, with the consent behind it. Holds for everything after the answer."""
        return revocation_shown(await revoke_grant(caller=caller, grant_id=GrantId(grant_id)))


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
        async with consents.begin(caller) as tx:
            record = await tx.consent(ConsentId(consent_id))
            if record is None:
                raise ConsentNotFound
            events = await tx.events(record.record_id)
        return consent_shown(record, events)

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
        return revocation_shown(receipt)


def _person(grantee: str) -> str | PersonId:
    try:
        return PersonId(UUID(grantee))
    except ValueError:
        return grantee
