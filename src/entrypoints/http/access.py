"""Who may call what: every route needs an authenticated caller, unless it says otherwise."""

from __future__ import annotations

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from domain.errors import NotAuthenticated
from domain.identity import Caller
from entrypoints.http.refusals import HttpRefusal

PUBLIC = {"public": True}
"""`opt=PUBLIC` on a handler, controller or router: no caller is needed there."""

WITH_GRANT_TOKEN = {"grant_tokens": True}
"""`opt=WITH_GRANT_TOKEN` on a handler: whoever acts under one grant alone may call it, too."""


class GrantTokenNotEnough(HttpRefusal):
    """A token that acts under one grant is for reading what was granted, and nothing else."""

    code = "insufficient_scope"
    status = 403

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer error="insufficient_scope"'}


def authenticated_unless_public(
    connection: ASGIConnection[Any, Any, Any, Any], route_handler: BaseRouteHandler
) -> None:
    """A guard: raises NotAuthenticated where no authentication put a caller into the scope.

    Authentication is a middleware: it verifies the credentials, if there are any, and sets
    `scope["state"]["caller"]`. Credentials that are present and wrong it refuses itself.
    """
    if is_public(route_handler):
        return
    if connection.scope["state"].get("grant_token") and not takes_grant_tokens(route_handler):
        raise GrantTokenNotEnough
    if not isinstance(connection.scope["state"].get("caller"), Caller):
        raise NotAuthenticated


def takes_grant_tokens(route_handler: BaseRouteHandler) -> bool:
    return route_handler.opt.get("grant_tokens") is True


def is_public(route_handler: BaseRouteHandler) -> bool:
    return route_handler.opt.get("public") is True


def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """The caller of this request, for handlers: `caller: NamedDependency[Caller]`."""
    caller = request.scope["state"].get("caller")
    if not isinstance(caller, Caller):
        raise NotAuthenticated
    return caller
