"""Token introspection (RFC 7662): what a token is good for, told to who holds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response, post
from litestar.openapi.spec import Operation
from litestar.types import ControllerRouterHandler

from application.accounts.introspect_token import IntrospectToken
from application.ports import TokenDescription
from domain.identity import Acr, Caller, Role
from entrypoints.http.consent_shapes import Resource
from entrypoints.http.injected import Injected
from entrypoints.http.oauth import FORM_BYTES_MAX, RESPONSES, form_fields, form_of, required_field
from entrypoints.http.oauth_errors import NOT_STORED, OAuthRefused, oauth_refused


class TokenShown(msgspec.Struct, kw_only=True, omit_defaults=True):
    """RFC 7662, section 2.2. Of a token that does not work nothing is told but that.

    `token_type` is `Bearer`; a refresh token has none, for it opens nothing by itself. A token that
    acts under one grant has its actions as `scope`, with spaces between them, and says `purpose`,
    `resource` and `grant_id` beside what the standard names.
    """

    active: bool
    token_type: str | None = None
    scope: str | None = None
    sub: UUID | None = None
    tenant: UUID | None = None
    exp: int | None = None
    iat: int | None = None
    nbf: int | None = None
    role: Role | None = None
    acr: Acr | None = None
    auth_time: int | None = None
    purpose: str | None = None
    resource: Resource | None = None
    grant_id: UUID | None = None


@dataclass
class _IntrospectionForm(Operation):
    """Describes the form of /introspect."""

    def __post_init__(self) -> None:
        self.request_body = form_of("token")


@post(
    "/v1/oauth/introspect",
    status_code=200,
    tags=["Accounts"],
    operation_class=_IntrospectionForm,
    responses=RESPONSES,
    exception_handlers={OAuthRefused: oauth_refused},
    request_max_body_size=FORM_BYTES_MAX,
)
async def introspect(
    request: Request[Any, Any, Any],
    caller: Injected[Caller],
    introspect_token: Injected[IntrospectToken],
) -> Response[TokenShown]:
    """What a token is good for. Expired, used, revoked, unknown: one and the same answer."""
    token = required_field(await form_fields(request), "token")
    described = await introspect_token(caller=caller, token=token)
    return Response(_shown(described), headers=NOT_STORED)


INTROSPECTION_ROUTES: list[ControllerRouterHandler] = [introspect]


def _shown(described: TokenDescription | None) -> TokenShown:
    if described is None:
        return TokenShown(active=False)
    about = described.resource
    return TokenShown(
        active=True,
        token_type=described.token_type,
        scope=" ".join(sorted(described.actions)) or None,
        sub=described.person_id,
        tenant=described.tenant_id,
        exp=_seconds(described.expires_at),
        iat=_seconds(described.issued_at),
        nbf=_seconds(described.not_before),
        role=described.role,
        acr=described.acr,
        auth_time=_seconds(described.auth_time),
        purpose=described.purpose,
        resource=None if about is None else Resource(kind=about.kind, id=about.id),
        grant_id=described.grant_id,
    )


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp())
