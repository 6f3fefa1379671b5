"""Trade a refresh token for a new pair of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from application.accounts.ports import (
    AccessTokens,
    PresentedToken,
    Sessions,
    SessionsTransaction,
    SignedIn,
)
from application.ports import OpaqueTokens, ReadToken
from domain.accounts.session import RefreshTokenNotValid, SessionEnd, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshSession:
    """Each refresh token is good once; one that comes again ends its session for everyone.

    There is no grace period, in which a thief would be as welcome as an impatient client. Of
    requests that race with one token the first is answered, the second ends the session. The
    price: a client whose answer was lost signs in again (RFC 9700, section 4.14.2).
    """

    sessions: Sessions
    access_tokens: AccessTokens
    refresh_tokens: OpaqueTokens
    refresh_token_lifetime: timedelta = timedelta(days=30)

    async def __call__(self, *, token: str) -> SignedIn:
        """Raises RefreshTokenNotValid, whatever is wrong with it."""
        read = self.refresh_tokens.read(token)
        if read is None:
            raise RefreshTokenNotValid
        signed_in = None
        async with self.sessions.begin(read.tenant_id) as tx:
            presented = await tx.present(read.hash)
            if presented is None:
                raise RefreshTokenNotValid
            now = await tx.now()
            standing = presented.token.standing_at(now)
            if standing is Standing.USABLE:
                signed_in = await self._rotate(tx, read, presented, now)
            elif standing is Standing.REUSED:
                await tx.end(presented.token.session_id, SessionEnd.TOKEN_REUSED)
        # Refused only here: an exception inside would have undone the end of the session.
        if signed_in is None:
            raise RefreshTokenNotValid
        return signed_in

    async def _rotate(
        self,
        tx: SessionsTransaction,
        read: ReadToken,
        presented: PresentedToken,
        now: datetime,
    ) -> SignedIn:
        new = self.refresh_tokens.new(read.tenant_id)
        await tx.rotate(read.hash, now, new, now + self.refresh_token_lifetime)
        # Inside the transaction: when the key service does not sign, the old token stays good.
        access_token = await self.access_tokens.issue(presented.authenticated)
        return SignedIn(
            access_token=access_token,
            refresh_token=new.text,
            expires_in_seconds=self.access_tokens.lifetime_seconds,
        )
