"""A real server on a loopback port, and a small product to serve with it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import pytest
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, ControllerRouterHandler, Receive, Scope, Send

from domain.identity import Caller, PersonId, TenantId
from entrypoints.http.app_kit import application
from entrypoints.http.connection import ConnectionLimits
from entrypoints.http.drain import Drain
from entrypoints.http.edge import Answered
from entrypoints.http.server import DrainAwareServer, ServerSettings

TENANT = TenantId(UUID("01930000-0000-7000-8000-000000000001"))
PERSON = PersonId(UUID("01930000-0000-7000-8000-000000000002"))


class BearerIsAsha(ASGIMiddleware):
    """Stands for authentication: any bearer token is Asha's."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        headers = dict(scope["headers"])
        if headers.get(b"authorization", b"").startswith(b"Bearer "):
            scope["state"]["caller"] = Caller(tenant_id=TENANT, person_id=PERSON)
        await next_app(scope, receive, send)


@dataclass
class Running:
    """A server that answers, and a client that is signed in to it."""

    server: DrainAwareServer
    client: httpx2.AsyncClient
    port: int
    drain: Drain
    answered: list[Answered]

    async def until(self, condition: Callable[[], object], *, seconds: float = 3.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def raw(self, request: bytes, *, seconds: float = 5.0) -> bytes:
        """What comes back for these bytes until the server closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            await writer.drain()
            async with asyncio.timeout(seconds):
                return await reader.read()
        finally:
            writer.close()


Serve = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture(scope="session")
def serve() -> Serve:
    @asynccontextmanager
    async def serving(
        *route_handlers: ControllerRouterHandler,
        limits: ConnectionLimits | None = None,
        translations: dict[type[Exception], Callable[[Exception], Any]] | None = None,
        dependencies: dict[str, Any] | None = None,
        middleware: Sequence[Any] = (BearerIsAsha(),),
        keep_alive_seconds: int = 15,
        **options: Any,
    ) -> AsyncIterator[Running]:
        drain, answered = Drain(), list[Answered]()
        app = application(
            route_handlers=route_handlers,
            version="1",
            drain=drain,
            middleware=middleware,
            translations=translations,
            dependencies=dependencies,
            observe=answered.append,
            **options,
        )
        settings = ServerSettings(
            port=0,
            limits=limits or ConnectionLimits(),
            keep_alive_seconds=keep_alive_seconds,
            drain_seconds_max=5,
        )
        server = DrainAwareServer(app, settings, drain)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            task = asyncio.create_task(server.serve(sockets=[listener]))
            while not server.started:
                if task.done():
                    task.result()
                await asyncio.sleep(0.005)
            port = listener.getsockname()[1]
            client = httpx2.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", headers={"Authorization": "Bearer asha"}
            )
            try:
                async with client:
                    yield Running(server, client, port, drain, answered)
            finally:
                server.should_exit = True
                async with asyncio.timeout(10):
                    await task

    return serving
