"""Client authentication and the grant of client credentials (RFC 6749, sections 2.3.1 and 4.4)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from litestar import Request

from application.accounts.grant_client_token import GrantClientToken
from domain.accounts.service_client import ClientNotAuthenticated
from entrypoints.http.oauth_errors import OAuthRefused
from entrypoints.http.rate_limits import address_of

CLIENT_CREDENTIALS = "client_credentials"
METHODS = ["client_secret_basic", "client_secret_post"]

_CHALLENGE = {"WWW-Authenticate": 'Basic realm="strongroom", charset="UTF-8"'}
_CHARACTERS_MAX = 1024


class ClientTokenShown(msgspec.Struct, kw_only=True):
    """The access token of a service client (RFC 6749, section 4.4.3), `expires_in` in seconds. No
    refresh token comes with it: ask again."""

    access_token: str
    token_type: str
    expires_in: int


async def client_token(
    request: Request[Any, Any, Any], fields: Mapping[str, str], grant: GrantClientToken
) -> ClientTokenShown:
    """Raises OAuthRefused: one and the same for an unknown client, a wrong secret and a client that
    is over. Raises TooMany and Unavailable, for which OAuth has no name."""
    client_id, secret = _credentials(request, fields)
    if fields.get("scope"):
        raise OAuthRefused(
            "invalid_scope", "No scope is taken: what a client may do follows from its grants."
        )
    try:
        token = await grant(client_id=client_id, secret=secret, address=address_of(request))
    except ClientNotAuthenticated as refused:
        raise _not_authenticated() from refused
    return ClientTokenShown(
        access_token=token.access_token,
        token_type="Bearer",  # noqa: S106
        expires_in=token.expires_in_seconds,
    )


def _credentials(request: Request[Any, Any, Any], fields: Mapping[str, str]) -> tuple[str, str]:
    # A Bearer token is none of a client's, and is ignored here like wherever nobody needs one.
    headers = [
        each
        for each in request.headers.getall("authorization", [])
        if each.partition(" ")[0].lower() == "basic"
    ]
    in_form = bool(fields.get("client_secret"))
    if headers and in_form:
        raise OAuthRefused(
            "invalid_request", "A client authenticates in one way: by Basic, or in the form."
        )
    if not headers:
        if not in_form or not fields.get("client_id"):
            raise _not_authenticated()
        return fields["client_id"], fields["client_secret"]
    found = _basic(headers[0]) if len(headers) == 1 else None
    if found is None:
        raise _not_authenticated()
    named = fields.get("client_id")
    if named and named != found[0]:
        raise OAuthRefused("invalid_request", "client_id names another client than Basic does.")
    return found


def _basic(header: str) -> tuple[str, str] | None:
    """Both are encoded like a form (section 2.3.1), and then by RFC 7617."""
    given = header.partition(" ")[2]
    if len(given) > _CHARACTERS_MAX:
        return None
    try:
        name, colon, secret = base64.b64decode(given.strip(), validate=True).partition(b":")
        return (_decoded(name), _decoded(secret)) if colon else None
    except (binascii.Error, ValueError):
        return None


def _decoded(part: bytes) -> str:
    return unquote_to_bytes(part.replace(b"+", b" ")).decode()


def _not_authenticated() -> OAuthRefused:
    return OAuthRefused(
        ClientNotAuthenticated.code, str(ClientNotAuthenticated()), status=401, headers=_CHALLENGE
    )
