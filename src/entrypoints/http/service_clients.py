"""Service clients over HTTP: made, listed, given another secret and ended by administrators."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from application.accounts.erase_service_client import EraseServiceClient
from application.accounts.keep_service_clients import (
    ListServiceClients,
    MakeServiceClient,
    RevokeServiceClient,
    RotateClientSecret,
    SecretTold,
    ShowServiceClient,
)
from domain.accounts.person import DISPLAY_NAME_CHARACTERS_MAX
from domain.accounts.service_client import OVERLAP_MAX, ServiceClient
from domain.identity import Caller, PersonId, Role
from entrypoints.http.accounts import AccountErasureShown, erasure_shown
from entrypoints.http.consent_shapes import Instant
from entrypoints.http.idempotency import IdempotencyKey, idempotency_of
from entrypoints.http.injected import Injected
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, page_of

NOT_STORED = {"Cache-Control": "no-store"}
EXAMPLE = {"name": "Nightly import", "expires_at": "2027-06-30T00:00:00Z"}


class NewServiceClient(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A program that is to have an identity of its own, for 366 days at most. People read `name`
    when they share something with it. It is a `member` unless another role is said."""

    name: Annotated[str, Meta(min_length=1, max_length=DISPLAY_NAME_CHARACTERS_MAX)]
    expires_at: Instant
    role: Role = Role.MEMBER


class Replacement(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How long the former secret is good beside the new one: not at all, unless this says so."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=int(OVERLAP_MAX.total_seconds()))] = 0


class ServiceClientShown(msgspec.Struct, kw_only=True):
    """A service client. Its `id` is its `client_id`, and the `grantee` of what it is given."""

    id: UUID
    name: str
    role: Role
    created_by: UUID
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


class ClientSecretShown(ServiceClientShown, kw_only=True):
    """A service client with a new secret, which is not shown again: a request repeated with its
    Idempotency-Key gets null. Whoever lost the answer replaces the secret."""

    client_secret: str | None


class ServiceClientsController(Controller):
    """/v1/service-clients"""

    path = "/v1/service-clients"
    tags = ("Service clients",)

    @post(status_code=201, opt={"example": EXAMPLE})
    async def make_service_client(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        make_service_client: Injected[MakeServiceClient],
        data: JSONBody[NewServiceClient],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[ClientSecretShown]:
        """Make a service client: for administrators. With its id and secret it gets access tokens
        at `/v1/oauth/token`, by the grant `client_credentials`.

        It sees nothing before somebody shares something with it.
        """
        made = await make_service_client(
            caller=caller,
            name=data.name,
            role=data.role,
            expires_at=data.expires_at,
            idempotency=idempotency_of(request, idempotency_key, data),
        )
        return _told(made, Location=f"{self.path}/{made.client.id}")

    @get()
    async def list_service_clients(
        self,
        caller: Injected[Caller],
        list_service_clients: Injected[ListServiceClients],
        cursors: Injected[Cursors],
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[ServiceClientShown]:
        """The tenant's service clients, in the order in which they were made, and those that are
        over as well: for administrators."""
        of = "service clients"
        after = cursors.open(cursor, of=of, tenant_id=caller.tenant_id)
        found = await list_service_clients(
            caller=caller, after=PersonId(UUID(str(after[0]))) if after else None, limit=limit + 1
        )
        return page_of(
            found,
            limit=limit,
            show=lambda each: ServiceClientShown(**_facts(each)),
            position=lambda each: (str(each.id),),
            cursors=cursors,
            of=of,
            tenant_id=caller.tenant_id,
        )

    @get("/{client_id:uuid}")
    async def get_service_client(
        self,
        caller: Injected[Caller],
        show_service_client: Injected[ShowServiceClient],
        client_id: FromPath[UUID],
    ) -> ServiceClientShown:
        """One of the tenant's service clients: for administrators."""
        client = await show_service_client(caller=caller, client_id=PersonId(client_id))
        return ServiceClientShown(**_facts(client))

    @post("/{client_id:uuid}/secret", status_code=200, opt={"example": {"overlap_seconds": 3600}})
    async def replace_secret(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        rotate_client_secret: Injected[RotateClientSecret],
        client_id: FromPath[UUID],
        data: JSONBody[Replacement],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[ClientSecretShown]:
        """Give a service client another secret: for administrators. Access tokens that it has stay
        good until they end."""
        replaced = await rotate_client_secret(
            caller=caller,
            client_id=PersonId(client_id),
            overlap=timedelta(seconds=data.overlap_seconds),
            idempotency=idempotency_of(request, idempotency_key, data),
        )
        return _told(replaced)

    @post("/{client_id:uuid}/revoke", status_code=200)
    async def revoke_service_client(
        self,
        caller: Injected[Caller],
        revoke_service_client: Injected[RevokeServiceClient],
        client_id: FromPath[UUID],
    ) -> ServiceClientShown:
        """End a service client for good: for administrators. No request of it is let in after the
        answer, whatever token it has. What it owns stays until it is erased."""
        client = await revoke_service_client(caller=caller, client_id=PersonId(client_id))
        return ServiceClientShown(**_facts(client))

    @delete("/{client_id:uuid}", status_code=200)
    async def erase_service_client(
        self,
        caller: Injected[Caller],
        erase_service_client: Injected[EraseServiceClient],
        client_id: FromPath[UUID],
    ) -> AccountErasureShown:
        """Erase a service client and all that is its own, which nobody sees by that: for
        administrators. Not to be undone.

        What it shared is shared no longer, and answers that quote what is gone are taken back.
        """
        done = await erase_service_client(caller=caller, client_id=PersonId(client_id))
        return erasure_shown(PersonId(client_id), done)


def _told(told: SecretTold, **headers: str) -> Response[ClientSecretShown]:
    shown = ClientSecretShown(**_facts(told.client), client_secret=told.secret)
    return Response(shown, headers=NOT_STORED | headers)


def _facts(client: ServiceClient) -> dict[str, Any]:
    return {
        "id": client.id,
        "name": client.name,
        "role": client.role,
        "created_by": client.created_by,
        "created_at": client.created_at,
        "expires_at": client.expires_at,
        "revoked_at": client.revoked_at,
        "last_used_at": client.last_used_at,
    }
