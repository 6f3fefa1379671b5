"""The OAuth 2.0 endpoints: renew and revoke tokens, and what other programs need to trust them.

Here the standards hold, not this project's conventions: forms instead of JSON, unknown fields
are ignored (RFC 6749, section 3.2), errors are `{error, error_description}` (section 5.2). What
has no name there, too large or too many or unavailable, is a problem as everywhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.enums import MediaType
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, Reference, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.types import ControllerRouterHandler

from adapters.memory.rate_limits import LimitReached
from adapters.tokens.signing_keys import SigningKeys
from application.accounts.grant_client_token import GrantClientToken
from application.accounts.refresh_session import RefreshSession
from application.accounts.revoke_token import RevokeToken
from domain.accounts.session import RefreshTokenNotValid
from entrypoints.http.access import PUBLIC
from entrypoints.http.accounts import TokensShown, tokens_shown
from entrypoints.http.client_credentials import (
    CLIENT_CREDENTIALS,
    METHODS,
    ClientTokenShown,
    client_token,
)
from entrypoints.http.injected import Injected
from entrypoints.http.oauth_errors import NOT_STORED, OAuthError, OAuthRefused, oauth_refused
from entrypoints.http.rate_limits import limit_reached
from entrypoints.http.token_exchange import GRANT_TYPE, ExchangedTokenShown, TokenExchange

FORM = "application/x-www-form-urlencoded"
FORM_BYTES_MAX = 8 * 1024
FIELDS_MAX = 16


class AuthorizationServer(msgspec.Struct, kw_only=True):
    """Authorization server metadata (RFC 8414, section 2)."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    introspection_endpoint: str
    jwks_uri: str
    service_documentation: str
    grant_types_supported: list[str]
    response_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    introspection_endpoint_auth_methods_supported: list[str]


@dataclass
class _TokenForm(Operation):
    """Describes the form of /token, which its handler reads itself."""

    def __post_init__(self) -> None:
        self.request_body = form_of(
            "grant_type",
            optional=(
                "refresh_token",
                "client_id",
                "client_secret",
                "subject_token",
                "subject_token_type",
                "requested_token_type",
                "resource",
                "scope",
                "purpose",
                "agent",
                "lifetime",
                "parent_id",
            ),
        )


@dataclass
class _RevocationForm(Operation):
    """Describes the form of /revoke."""

    def __post_init__(self) -> None:
        self.request_body = form_of("token")


def form_of(*required: str, optional: Sequence[str] = ()) -> RequestBody:
    text: Reference | Schema = Schema(type=OpenAPIType.STRING)
    properties = dict.fromkeys((*required, *optional), text)
    schema = Schema(type=OpenAPIType.OBJECT, properties=properties, required=list(required))
    return RequestBody(content={FORM: OpenAPIMediaType(schema=schema)}, required=True)


RESPONSES = {400: ResponseSpec(OAuthError, description="A refusal in the words of OAuth.")}
_TOKEN_RESPONSES = RESPONSES | {
    401: ResponseSpec(OAuthError, description="The client is not authenticated: `invalid_client`.")
}


class OAuthController(Controller):
    """/v1/oauth"""

    path = "/v1/oauth"
    tags = ("Accounts",)
    opt = PUBLIC
    exception_handlers = {OAuthRefused: oauth_refused, LimitReached: limit_reached}  # noqa: RUF012
    request_max_body_size = FORM_BYTES_MAX

    @post("/token", status_code=200, operation_class=_TokenForm, responses=_TOKEN_RESPONSES)
    async def token(
        self,
        request: Request[Any, Any, Any],
        refresh_session: Injected[RefreshSession],
        token_exchange: Injected[TokenExchange],
        grant_client_token: Injected[GrantClientToken],
    ) -> Response[TokensShown | ExchangedTokenShown | ClientTokenShown]:
        """Trade a refresh token for new tokens: presented twice, it ends the session. Or trade an
        access or grant token for a narrower one, for an agent (RFC 8693). Or get an access token as
        a service client (`client_credentials`).

        A service client sends its `client_id` and `client_secret` by HTTP Basic, or in the form.

        An exchange names `subject_token`, the `resource` (`/v1/documents/{id}`), a `scope` of
        actions and a `purpose`; also `agent`, the name that the owner will read, `lifetime` in
        seconds, and `parent_id` where the thing was shared with you to be shared onward.
        """
        fields = await form_fields(request)
        grant_type = required_field(fields, "grant_type")
        if grant_type == GRANT_TYPE:
            exchanged = await token_exchange(fields, datetime.now(UTC))
            return Response(exchanged, headers=NOT_STORED)
        if grant_type == CLIENT_CREDENTIALS:
            granted = await client_token(request, fields, grant_client_token)
            return Response(granted, headers=NOT_STORED)
        if grant_type != "refresh_token":
            raise OAuthRefused(
                "unsupported_grant_type",
                f"Supported are refresh_token, {CLIENT_CREDENTIALS} and {GRANT_TYPE}.",
            )
        try:
            signed_in = await refresh_session(token=required_field(fields, "refresh_token"))
        except RefreshTokenNotValid as refused:
            raise OAuthRefused("invalid_grant", refused.message) from refused
        return Response(tokens_shown(signed_in), headers=NOT_STORED)

    @post("/revoke", status_code=200, operation_class=_RevocationForm, responses=RESPONSES)
    async def revoke(
        self,
        request: Request[Any, Any, Any],
        revoke_token: Injected[RevokeToken],
    ) -> Response[bytes]:
        """End a refresh token's session, or a grant token (RFC 7009). What was no token is no
        error."""
        token = required_field(await form_fields(request), "token")
        if token.count(".") == 2:
            raise OAuthRefused(
                "unsupported_token_type",
                "Access tokens end by themselves; revoke the refresh token.",
            )
        await revoke_token(token=token)
        return Response(b"", media_type=MediaType.TEXT, headers=NOT_STORED)


@get("/.well-known/oauth-authorization-server", tags=["Accounts"], opt=PUBLIC)
async def authorization_server(issuer: Injected[str]) -> Response[AuthorizationServer]:
    """What this authorization server can do, and where (RFC 8414)."""
    at = issuer.rstrip("/")
    shown = AuthorizationServer(
        issuer=issuer,
        token_endpoint=f"{at}/v1/oauth/token",
        revocation_endpoint=f"{at}/v1/oauth/revoke",
        introspection_endpoint=f"{at}/v1/oauth/introspect",
        jwks_uri=f"{at}/.well-known/jwks.json",
        service_documentation=f"{at}/openapi.json",
        grant_types_supported=["refresh_token", CLIENT_CREDENTIALS, GRANT_TYPE],
        response_types_supported=[],
        token_endpoint_auth_methods_supported=["none", *METHODS],
        revocation_endpoint_auth_methods_supported=["none"],
        introspection_endpoint_auth_methods_supported=["Bearer"],
    )
    return Response(shown, headers=_CACHED)


@get("/.well-known/jwks.json", tags=["Accounts"], opt=PUBLIC)
async def published_keys(
    signing_keys: Injected[SigningKeys], receipt_keys: Injected[SigningKeys]
) -> Response[dict[str, Any]]:
    """The keys that access tokens and receipts are signed with (RFC 7517), all for EdDSA."""
    sets = [await keys.published() for keys in (signing_keys, receipt_keys)]
    return Response({"keys": [key for each in sets for key in each["keys"]]}, headers=_CACHED)


OAUTH_ROUTES: list[ControllerRouterHandler] = [
    OAuthController,
    authorization_server,
    published_keys,
]

_CACHED = {"Cache-Control": "public, max-age=300"}


async def form_fields(request: Request[Any, Any, Any]) -> dict[str, str]:
    if request.content_type[0] != FORM:
        raise OAuthRefused("invalid_request", f"The body must be sent as {FORM}.")
    try:
        pairs = parse_qsl(
            (await request.body()).decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError as wrong:
        raise OAuthRefused("invalid_request", "The body is not a valid form.") from wrong
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise OAuthRefused("invalid_request", "A parameter was given more than once.")
    return fields


def required_field(fields: dict[str, str], name: str) -> str:
    # An empty value counts as absent (RFC 6749, section 3.2).
    value = fields.get(name)
    if not value:
        raise OAuthRefused("invalid_request", f"The parameter {name} is missing.")
    return value
