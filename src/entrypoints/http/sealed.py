"""What answers while the restore fence is closed: health, and for everything else, that it is."""

from __future__ import annotations

from litestar import Litestar
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from domain.errors import Unavailable
from entrypoints.http.app_kit import application
from entrypoints.http.drain import Drain
from entrypoints.http.edge import send_problem
from entrypoints.http.health import Health, live, ready
from entrypoints.http.injected import constant


class SealedAfterRestore(Unavailable):
    """The database was restored from a backup, and stays sealed until what ended since has ended
    again."""

    code = "sealed_after_restore"


class Sealed:
    """An ASGI application that lets nothing through to another but questions about its health."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and not scope["path"].startswith("/health/"):
            await send_problem(SealedAfterRestore(), scope, send)
            return
        await self._app(scope, receive, send)


def sealed_application(*, version: str, drain: Drain, health: Health) -> Litestar:
    return application(
        route_handlers=[live, ready],
        version=version,
        drain=drain,
        dependencies={"health": constant(health)},
        around=Sealed,
    )
