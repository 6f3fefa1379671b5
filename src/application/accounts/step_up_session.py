"""Raise the assurance of a session that is running (RFC 9470)."""

from __future__ import annotations

from dataclasses import dataclass

from application.accounts.ports import AccessTokens, Authenticated, Sessions, SteppedUp
from application.ports import StepUp
from domain.accounts.session import AccessTokenNotValid


@dataclass(frozen=True, slots=True, kw_only=True)
class StepUpSession:
    """The session stays as sure as it became: its refresh tokens give tokens of that assurance."""

    sessions: Sessions
    access_tokens: AccessTokens
    step_up: StepUp

    async def __call__(self, *, authenticated: Authenticated, code: str) -> SteppedUp:
        """Raises what StepUp raises, and AccessTokenNotValid where the session is over."""
        caller = authenticated.caller
        await self.step_up(caller=caller, code=code)
        async with self.sessions.begin(caller.tenant_id) as tx:
            raised = await tx.step_up(caller, authenticated.session_id)
            if raised is None:
                raise AccessTokenNotValid
            access_token = await self.access_tokens.issue(raised)
        return SteppedUp(
            access_token=access_token, expires_in_seconds=self.access_tokens.lifetime_seconds
        )
