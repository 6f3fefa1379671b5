"""Describe a token to somebody who holds it (RFC 7662)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from application.accounts.ports import AccessTokens, Sessions
from application.ports import OpaqueTokens, TokenDescriber, TokenDescription
from domain.accounts.session import AccessTokenNotValid, Standing
from domain.identity import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class IntrospectToken:
    """Asks those who know a kind of token, in order. A token of another tenant is like none."""

    describers: Sequence[TokenDescriber]

    async def __call__(self, *, caller: Caller, token: str) -> TokenDescription | None:
        for describe in self.describers:
            described = await describe(token)
            if described is not None:
                return described if described.tenant_id == caller.tenant_id else None
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeAccessToken:
    """`TokenDescriber`. Unlike a request it looks whether the session is over: here one may ask."""

    access_tokens: AccessTokens
    sessions: Sessions

    async def __call__(self, token: str) -> TokenDescription | None:
        try:
            read = await self.access_tokens.read(token)
        except AccessTokenNotValid:
            return None
        authenticated, caller = read.authenticated, read.authenticated.caller
        if not authenticated.is_client:  # which has none, and whose token was looked at already
            async with self.sessions.begin(caller.tenant_id) as tx:
                if not await tx.is_open(authenticated.session_id):
                    return None
        return TokenDescription(
            tenant_id=caller.tenant_id,
            person_id=caller.person_id,
            token_type="Bearer",  # noqa: S106
            expires_at=read.expires_at,
            issued_at=read.issued_at,
            role=caller.role,
            acr=caller.acr,
            auth_time=authenticated.auth_time,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DescribeRefreshToken:
    """`TokenDescriber`. A used token is only described here, so its session does not end."""

    refresh_tokens: OpaqueTokens
    sessions: Sessions

    async def __call__(self, token: str) -> TokenDescription | None:
        read = self.refresh_tokens.read(token)
        if read is None:
            return None
        async with self.sessions.begin(read.tenant_id) as tx:
            presented = await tx.present(read.hash)
            now = await tx.now()
        if presented is None or presented.token.standing_at(now) is not Standing.USABLE:
            return None
        authenticated, caller = presented.authenticated, presented.authenticated.caller
        return TokenDescription(
            tenant_id=caller.tenant_id,
            person_id=caller.person_id,
            token_type=None,
            expires_at=presented.token.expires_at,
            acr=caller.acr,
            auth_time=authenticated.auth_time,
        )
