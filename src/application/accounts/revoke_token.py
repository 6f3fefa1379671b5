"""End a session by holding a refresh token of it (RFC 7009)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from application.accounts.ports import Sessions
from application.ports import OpaqueTokens, TokenRevoker
from domain.accounts.session import SessionEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeToken:
    """The whole family goes, whichever of its tokens is held: used ones, too. `others` know what
    is no refresh token."""

    sessions: Sessions
    refresh_tokens: OpaqueTokens
    others: Sequence[TokenRevoker] = ()

    async def __call__(self, *, token: str) -> None:
        """Nothing is told of a token that was none: it does not work now either (section 2.2)."""
        read = self.refresh_tokens.read(token)
        if read is None:
            for revoke in self.others:
                await revoke(token=token)
            return
        async with self.sessions.begin(read.tenant_id) as tx:
            presented = await tx.present(read.hash)
            if presented is not None:
                await tx.end(presented.token.session_id, SessionEnd.TOKEN_REVOKED)
