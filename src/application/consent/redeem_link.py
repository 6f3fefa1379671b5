"""Redeem a link for a token. Opening it never does: programs that scan mail open every link."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from application.consent.ports import Links, PassCodes
from application.ports import EndingsKept, NewToken, OpaqueTokens, RateLimits, ReadToken
from domain.consent.grant import Grant
from domain.consent.link import Agreed, LinkNotUsable, LinkRefusal

REDEEM_RATE = "redeem_rate_per_address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Redeemed:
    """What a link was redeemed for: a token, the grant under which it acts, and what was agreed."""

    token: str = field(repr=False)
    expires_at: datetime
    grant: Grant
    agreed: Agreed


@dataclass(frozen=True, slots=True, kw_only=True)
class RedeemLink:
    """Whoever has the link, and its pass-code if it has one.

    Whatever is wrong with it, there is one answer, after one comparison of a pass-code.
    """

    links: Links
    link_tokens: OpaqueTokens
    grant_tokens: OpaqueTokens
    pass_codes: PassCodes
    limits: RateLimits
    endings_kept: EndingsKept

    async def __call__(
        self, *, token: str, pass_code: str | None, address: str, key: str | None = None
    ) -> Redeemed:
        """Repeated with the same `key` it is redeemed once, and answered with the same token.

        Raises LinkNotUsable, and TooMany for an address that comes too often.
        """
        await self.limits.attempt(REDEEM_RATE, address)
        read = self.link_tokens.read(token)
        asked = None if read is None else await self.links.attempt(read.tenant_id, read.hash)
        # Without a pass-code to compare with, the same time is spent on comparing with none.
        compared = None if asked is None else asked.pass_code_hash
        is_right = await self.pass_codes.matches(pass_code or "", compared)
        if read is None or asked is None:
            raise LinkNotUsable
        if asked.pass_code_hash is not None and not is_right:
            await self.links.refused(read.tenant_id, asked.link_id, LinkRefusal.PASSCODE_WRONG)
            raise LinkNotUsable
        granted = self._token(read, token, key)
        redeemed = await self.links.redeem(read.tenant_id, asked.link_id, granted.hash)
        if isinstance(redeemed, LinkRefusal):
            await self.links.refused(read.tenant_id, asked.link_id, redeemed)
            raise LinkNotUsable
        await self.endings_kept()
        return Redeemed(
            token=granted.text,
            expires_at=redeemed.expires_at,
            grant=redeemed.grant,
            agreed=redeemed.agreed,
        )

    def _token(self, read: ReadToken, token: str, key: str | None) -> NewToken:
        """With a key the token follows from it and from the link's own secret, which is not kept:
        the answer to a repeated request is the same, and nobody else can make it."""
        if key is None:
            return self.grant_tokens.new(read.tenant_id)
        return self.grant_tokens.derived(read.tenant_id, secret=token, label=key)
