"""Share by a link: a consent and a grant like any, whose grantee is the link itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from application.consent.approval import Approval
from application.consent.give_grant import GiveGrant
from application.consent.ports import Consents, Links, PassCodes
from application.consent.withdraw_consent import RevocationReceipt, RevokeGrant
from application.ports import Idempotency, NewId, OpaqueTokens
from domain.consent.link import PASS_CODE_ATTEMPTS, LinkCannotStepUp, LinkNotFound, ShareLink
from domain.consent.terms import Terms
from domain.errors import KeyReused
from domain.identity import Caller, GrantId, PersonId


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeLink:
    """A link, and its token, which is not kept: None where the link was made before."""

    link: ShareLink
    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareByLink:
    """By whoever owns the thing, or was given it to share onward."""

    consents: Consents
    give_grant: GiveGrant
    approval: Approval
    tokens: OpaqueTokens
    pass_codes: PassCodes
    new_id: NewId

    async def __call__(
        self,
        *,
        caller: Caller,
        terms: Terms,
        redemptions_max: int = 1,
        pass_code: str | None = None,
        parent_id: GrantId | None = None,
        code: str | None = None,
        idempotency: Idempotency | None = None,
    ) -> MadeLink:
        """`code` is a second factor, where the resource demands one. Raises as GiveGrant does, and
        LinkCannotStepUp.

        A pass-code is no part of the request's hash, which would be a quick way to guess it: it is
        compared with the one that the link has, and raises KeyReused for another.
        """
        if terms.required_acr is not None:
            raise LinkCannotStepUp(field="/required_acr")
        hashed = None if pass_code is None else await self.pass_codes.hash(pass_code)
        caller = await self.approval.proven(caller, code, idempotency)
        token = self.tokens.new(caller.tenant_id)
        fresh = PersonId(self.new_id())
        async with self.consents.begin(caller) as tx:
            claimed = PersonId(await tx.claim(idempotency, fresh))
            if claimed == fresh:
                grantee = await tx.add_grantee(fresh, kind="link", name="Whoever has the link")
                grant = await self.give_grant.within(
                    tx,
                    caller,
                    grantee=grantee,
                    terms=terms,
                    parent_id=parent_id,
                    grant_id=GrantId(self.new_id()),
                )
                link = ShareLink(
                    id=grantee.person_id,
                    creator_id=caller.person_id,
                    grant=grant,
                    has_pass_code=hashed is not None,
                    redemptions_max=redemptions_max,
                    redemptions_left=redemptions_max,
                    is_locked=False,
                    refused_count=0,
                    refused_at=None,
                )
                await tx.keep_link(
                    link, token_hash=token.hash, pass_code_hash=hashed, attempts=PASS_CODE_ATTEMPTS
                )
                return MadeLink(link=link, token=token.text)
            earlier = await tx.link(claimed)
        if earlier is None:
            raise LinkNotFound
        return await self._made_before(*earlier, pass_code)

    async def _made_before(
        self, link: ShareLink, pass_code_hash: str | None, pass_code: str | None
    ) -> MadeLink:
        if pass_code is None:
            same = pass_code_hash is None
        else:
            same = await self.pass_codes.matches(pass_code, pass_code_hash)
        if not same:
            raise KeyReused
        return MadeLink(link=link, token=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeLink:
    """The link, and every token that it was redeemed for: their grant ends."""

    links: Links
    revoke_grant: RevokeGrant

    async def __call__(
        self, *, caller: Caller, link_id: PersonId, idempotency: Idempotency | None = None
    ) -> RevocationReceipt:
        """Raises LinkNotFound unless the caller made it, GrantAlreadyRevoked if it ended."""
        link = await self.links.find(caller, link_id)
        if link is None:
            raise LinkNotFound
        return await self.revoke_grant(
            caller=caller, grant_id=link.grant.id, idempotency=idempotency
        )
