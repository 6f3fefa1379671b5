"""Tokens that act under one grant: who holds one, what it is good for, and its end."""

from __future__ import annotations

from dataclasses import dataclass

from application.consent.ports import GrantTokens
from application.ports import EndingsKept, OpaqueTokens, TokenDescription
from domain.consent.link import TokenStanding


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldGrantToken:
    """Reads a token with each request. Nothing is remembered: its grant may have just ended."""

    tokens: OpaqueTokens
    grant_tokens: GrantTokens

    async def __call__(self, token: str) -> TokenStanding | None:
        """None for what does not work, whyever."""
        read = self.tokens.read(token)
        return None if read is None else await self.grant_tokens.find(read.tenant_id, read.hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeGrantToken:
    """`TokenDescriber`."""

    hold_grant_token: HoldGrantToken

    async def __call__(self, token: str) -> TokenDescription | None:
        standing = await self.hold_grant_token(token)
        if standing is None:
            return None
        return TokenDescription(
            tenant_id=standing.caller.tenant_id,
            person_id=standing.caller.person_id,
            token_type="Bearer",  # noqa: S106
            expires_at=standing.expires_at,
            issued_at=standing.created_at,
            not_before=standing.grant.not_before,
            actions=standing.grant.actions,
            purpose=standing.grant.purpose,
            resource=standing.grant.resource,
            grant_id=standing.grant.id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeGrantToken:
    """By whoever holds it (RFC 7009). Other tokens of the same grant go on."""

    tokens: OpaqueTokens
    grant_tokens: GrantTokens
    endings_kept: EndingsKept

    async def __call__(self, *, token: str) -> None:
        read = self.tokens.read(token)
        if read is not None:
            await self.grant_tokens.revoke(read.tenant_id, read.hash)
            await self.endings_kept()
