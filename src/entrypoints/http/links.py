"""Share links over HTTP: make one, see what became of it, redeem it, end it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta
from msgspec.structs import replace

from adapters.memory.rate_limits import LimitReached
from application.consent.ports import Links
from application.consent.redeem_link import Redeemed, RedeemLink
from application.consent.share_by_link import MadeLink, RevokeLink, ShareByLink
from domain.consent.link import REDEMPTIONS_MAX, LinkNotFound, ShareLink
from domain.identity import Caller, GrantId, PersonId
from entrypoints.http.access import PUBLIC
from entrypoints.http.consent_shapes import (
    GrantShown,
    NoticeShown,
    RevocationShown,
    TermsAsked,
    grant_shown,
    notice_shown,
    revocation_shown,
    terms_of,
)
from entrypoints.http.idempotency import IdempotencyKey, idempotency_of
from entrypoints.http.injected import Injected
from entrypoints.http.link_page import LINK_PAGE, LINK_PAGE_HEADERS
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of
from entrypoints.http.rate_limits import address_of, limit_reached
from entrypoints.http.second_factor import CodeText

NOT_STORED = {"Cache-Control": "no-store"}
EXAMPLE = {
    "resource": {"kind": "document", "id": "01930000-0000-7000-8000-000000000000"},
    "actions": ["read"],
    "purpose": "care",
    "expires_at": "2030-01-01T00:00:00Z",
    "passcode": "seven hills",
}
Passcode = Annotated[str, Meta(min_length=4, max_length=200)]


class NewLink(TermsAsked, forbid_unknown_fields=True, kw_only=True):
    """What whoever has the link may do. It can be redeemed once, unless `redemptions_max` says
    otherwise; `max_uses` counts what is read under it. A pass-code is told apart from the link.

    Whoever has a link does not sign in: `required_acr` is refused, a link could not meet it.
    """

    redemptions_max: Annotated[int, Meta(ge=1, le=REDEMPTIONS_MAX)] = 1
    passcode: Passcode | None = None
    parent_id: UUID | None = None
    totp: CodeText | None = None


class LinkShown(msgspec.Struct, kw_only=True):
    """A link as it stands. `refused_count` tells how often somebody came in vain, `refused_at`
    when that was last: a second redemption, or a wrong pass-code. After ten of these it locks.
    Each of them, with the reason, is among the denials of what is shared."""

    id: UUID
    grant: GrantShown
    has_passcode: bool
    redemptions_max: int
    redemptions_left: int
    is_locked: bool
    refused_count: int
    refused_at: datetime | None


class LinkMade(LinkShown, kw_only=True):
    """A new link. The token is in the fragment of its URL, and is not shown again: a request
    repeated with its Idempotency-Key gets the same link, and null for both. Whoever lost the
    answer revokes the link, and makes another."""

    token: str | None
    url: str | None


class Redemption(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The token of a link, with the pass-code that was told apart from it, if there is one."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]
    passcode: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class RedeemedShown(msgspec.Struct, kw_only=True):
    """A token that acts under one grant: send it as a Bearer token, with the grant's purpose, until
    it ends at `expires_at` (or the grant does, if sooner).

    `grant` has the terms, `notice` says them in words, and `receipt` is the link's own: a JWS
    (RFC 7515), signed by this deployment. They are told in this answer alone; keep them.
    """

    access_token: str
    token_type: str
    expires_at: datetime
    grant: GrantShown
    notice: NoticeShown
    receipt: str


class LinksController(Controller):
    """/v1/links"""

    path = "/v1/links"
    tags = ("Links",)
    exception_handlers = {LimitReached: limit_reached}  # noqa: RUF012

    @post(status_code=201, opt={"example": EXAMPLE})
    async def make_link(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        share_by_link: Injected[ShareByLink],
        issuer: Injected[str],
        data: JSONBody[NewLink],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[LinkMade]:
        """Share by a link, what is one's own or what one may share onward."""
        made = await share_by_link(
            caller=caller,
            terms=terms_of(data),
            redemptions_max=data.redemptions_max,
            pass_code=data.passcode,
            parent_id=None if data.parent_id is None else GrantId(data.parent_id),
            code=data.totp,
            idempotency=idempotency_of(request, idempotency_key, replace(data, passcode=None)),
        )
        headers = NOT_STORED | {"Location": f"{self.path}/{made.link.id}"}
        return Response(_made(made, issuer), headers=headers)

    @get()
    async def list_links(
        self,
        caller: Injected[Caller],
        links: Injected[Links],
        cursors: Injected[Cursors],
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[LinkShown]:
        """The links one made, in the order in which they were made."""
        after = cursors.open(cursor, of="links", tenant_id=caller.tenant_id)
        found = await links.made(
            caller, after=PersonId(UUID(str(after[0]))) if after else None, limit=limit + 1
        )
        return page_of(
            found,
            limit=limit,
            show=lambda link: LinkShown(**_facts(link)),
            position=lambda link: (str(link.id),),
            cursors=cursors,
            of="links",
            tenant_id=caller.tenant_id,
        )

    @get("/open", opt=PUBLIC, media_type="text/html")
    async def open_link(self) -> Response[str]:
        """The page that a link leads to. Its token stays in the browser: opening uses nothing up,
        whoever opens it, and tells nothing."""
        return Response(LINK_PAGE, media_type="text/html", headers=LINK_PAGE_HEADERS)

    @post("/redeem", status_code=200, opt=PUBLIC | {"example": {"token": "srl_..."}})
    async def redeem_link(
        self,
        request: Request[Any, Any, Any],
        redeem_link: Injected[RedeemLink],
        data: JSONBody[Redemption],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[RedeemedShown]:
        """Trade a link for a token. Whatever is wrong with it, the answer is one and the same.

        A repeat with the same Idempotency-Key is answered with the same token, to whoever has the
        link: make up a key that nobody guesses.
        """
        idempotency_of(request, idempotency_key)
        redeemed = await redeem_link(
            token=data.token,
            pass_code=data.passcode,
            address=address_of(request),
            key=idempotency_key,
        )
        return Response(_redeemed(redeemed), headers=NOT_STORED)

    @get("/{link_id:uuid}")
    async def get_link(
        self, caller: Injected[Caller], links: Injected[Links], link_id: FromPath[UUID]
    ) -> LinkShown:
        """A link one made."""
        link = await links.find(caller, PersonId(link_id))
        if link is None:
            raise LinkNotFound
        return LinkShown(**_facts(link))

    @post("/{link_id:uuid}/revoke", status_code=200)
    async def revoke_link(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        revoke_link: Injected[RevokeLink],
        link_id: FromPath[UUID],
        idempotency_key: IdempotencyKey = None,
    ) -> RevocationShown:
        """End a link, and whatever it was redeemed for. Holds for everything after the answer."""
        receipt = await revoke_link(
            caller=caller,
            link_id=PersonId(link_id),
            idempotency=idempotency_of(request, idempotency_key),
        )
        return revocation_shown(receipt)


def _made(made: MadeLink, issuer: str) -> LinkMade:
    url = made.token and f"{issuer.rstrip('/')}/v1/links/open#{made.token}"
    return LinkMade(**_facts(made.link), token=made.token, url=url)


def _facts(link: ShareLink) -> dict[str, Any]:
    return {
        "id": link.id,
        "grant": grant_shown(link.grant),
        "has_passcode": link.has_pass_code,
        "redemptions_max": link.redemptions_max,
        "redemptions_left": link.redemptions_left,
        "is_locked": link.is_locked,
        "refused_count": link.refused_count,
        "refused_at": link.refused_at,
    }


def _redeemed(redeemed: Redeemed) -> RedeemedShown:
    return RedeemedShown(
        access_token=redeemed.token,
        token_type="Bearer",  # noqa: S106
        expires_at=redeemed.expires_at,
        grant=grant_shown(redeemed.grant),
        notice=notice_shown(redeemed.agreed.notice),
        receipt=redeemed.agreed.receipt,
    )
