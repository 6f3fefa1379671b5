"""Who is calling: the Bearer token (RFC 6750) of a request, verified before anything else.

What has no valid token has no caller, and the guard in `access.py` lets it in only where a route
says that it is public. Those routes ignore a token: one that ran out must not keep anybody from
signing in anew.
"""

from __future__ import annotations

import structlog
from litestar import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from adapters.tokens.opaque_tokens import GRANT
from application.accounts.ports import AccessTokens, Authenticated
from application.consent.grant_tokens import HoldGrantToken
from domain.accounts.session import AccessTokenNotValid
from domain.errors import NotAuthenticated
from entrypoints.http.access import is_public
from entrypoints.http.refusals import HttpRefusal


class TokenRefused(HttpRefusal):
    """The access token is not valid, or no longer: refresh it, or sign in again."""

    code = "invalid_token"
    status = 401

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{self}"'}


class Authentication(ASGIMiddleware):
    """Sets `caller` and `authenticated` in the scope's state."""

    scopes = (ScopeType.HTTP, ScopeType.WEBSOCKET)

    def __init__(
        self, access_tokens: AccessTokens, hold_grant_token: HoldGrantToken | None = None
    ) -> None:
        self._access_tokens = access_tokens
        self._hold_grant_token = hold_grant_token

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Raises TokenRefused for credentials that are there and wrong, whatever is wrong."""
        if not is_public(scope["route_handler"]):
            await self._identify(scope)
        await next_app(scope, receive, send)

    async def _identify(self, scope: Scope) -> None:
        """The token is not kept while the request is answered, which a stream is for hours."""
        token = _bearer_token(scope)
        if token is None:
            return
        if token.startswith(GRANT):
            await self._identify_by_grant(scope, token)
            return
        try:
            authenticated = await self._access_tokens.verify(token)
        except AccessTokenNotValid as refused:
            raise TokenRefused from refused
        scope["state"]["authenticated"] = authenticated
        scope["state"]["caller"] = authenticated.caller
        structlog.contextvars.bind_contextvars(tenant_id=str(authenticated.caller.tenant_id))

    async def _identify_by_grant(self, scope: Scope, token: str) -> None:
        hold = self._hold_grant_token
        standing = None if hold is None else await hold(token)
        if standing is None:
            raise TokenRefused
        scope["state"]["grant_token"] = True
        scope["state"]["caller"] = standing.caller
        structlog.contextvars.bind_contextvars(tenant_id=str(standing.caller.tenant_id))


def provide_authenticated(request: Request[object, object, object]) -> Authenticated:  # type: ignore[type-var]
    """The caller with the session they are in: `authenticated: NamedDependency[Authenticated]`."""
    authenticated = request.scope["state"].get("authenticated")
    if not isinstance(authenticated, Authenticated):
        raise NotAuthenticated
    return authenticated


def _bearer_token(scope: Scope) -> str | None:
    """None where there is no Authorization at all. Raises TokenRefused where it is no token."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values:
        return None
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    if len(values) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise TokenRefused
    return token.strip()
