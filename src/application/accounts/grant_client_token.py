"""A service client proves who it is, and gets an access token (RFC 6749, section 4.4)."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from application.accounts.ports import AccessToken, AccessTokens, Authenticated
from application.accounts.service_clients import ClientSecrets, ServiceClients
from application.ports import RateLimits
from domain.accounts.service_client import ClientNotAuthenticated
from domain.accounts.session import AccessTokenNotValid
from domain.identity import Caller, PersonId, SessionId

CLIENT_PER_ADDRESS = "client_rate_per_address"
TOKENS_PER_CLIENT = "token_rate_per_client"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientToken:
    """There is no refresh token with it: the secret is as good."""

    access_token: str = field(repr=False)
    expires_in_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantClientToken:
    """An unknown client, a wrong secret and one that is over are one refusal.

    Attempts are counted by where they come from. By client only those that are let in are: a
    stranger, who may know its id, cannot use up what it may have.
    """

    clients: ServiceClients
    secrets: ClientSecrets
    access_tokens: AccessTokens
    limits: RateLimits

    async def __call__(self, *, client_id: str, secret: str, address: str) -> ClientToken:
        """Raises ClientNotAuthenticated, TooMany, and Unavailable where the key service is."""
        await self.limits.attempt(CLIENT_PER_ADDRESS, address)
        read, known = await self.secrets.read(secret), _id_of(client_id)
        if read is None or known is None:
            raise ClientNotAuthenticated
        client = await self.clients.authenticated(read.tenant_id, known, read.hash)
        if client is None or client.last_used_at is None:
            raise ClientNotAuthenticated
        await self.limits.attempt(TOKENS_PER_CLIENT, str(read.tenant_id), str(client.id))
        caller = Caller(tenant_id=read.tenant_id, person_id=client.id, role=client.role)
        token = await self.access_tokens.issue(
            Authenticated(
                caller=caller,
                session_id=SessionId(client.id),
                auth_time=client.last_used_at,
                is_client=True,
            )
        )
        return ClientToken(
            access_token=token, expires_in_seconds=self.access_tokens.lifetime_seconds
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldAccessTokens:
    """`AccessTokens`: one of a service client is good only while the client is.

    It has no session that anybody signs out of, and runs where nobody looks: so each use asks the
    database, which tokens of people do without.
    """

    tokens: AccessTokens
    clients: ServiceClients

    @property
    def lifetime_seconds(self) -> int:
        return self.tokens.lifetime_seconds

    async def issue(self, authenticated: Authenticated) -> str:
        return await self.tokens.issue(authenticated)

    async def read(self, text: str) -> AccessToken:
        token = await self.tokens.read(text)
        if token.authenticated.is_client:
            caller = token.authenticated.caller
            if not await self.clients.is_in_force(caller.tenant_id, caller.person_id):
                raise AccessTokenNotValid
        return token

    async def verify(self, text: str) -> Authenticated:
        return (await self.read(text)).authenticated


def _id_of(text: str) -> PersonId | None:
    """In the one spelling that it was told in."""
    try:
        known = UUID(text)
    except ValueError:
        return None
    return PersonId(known) if str(known) == text else None
