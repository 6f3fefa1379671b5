"""Sign out of a session by being in it."""

from __future__ import annotations

from dataclasses import dataclass

from application.accounts.ports import Authenticated, Sessions
from domain.accounts.session import SessionEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOut:
    """No refresh token of the session works afterwards; its access tokens run out by themselves."""

    sessions: Sessions

    async def __call__(self, *, authenticated: Authenticated) -> None:
        """Again is no harm."""
        async with self.sessions.begin(authenticated.caller.tenant_id) as tx:
            await tx.end(authenticated.session_id, SessionEnd.SIGNED_OUT)
