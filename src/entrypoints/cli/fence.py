"""The restore fence: nothing is served from a database that forgot what had ended."""

from __future__ import annotations

import asyncio
import os
import signal
from importlib.metadata import version

from application.audit.endings import Fence, FenceClosed
from domain.errors import Unavailable
from entrypoints.background import beside
from entrypoints.cli.steps import say
from entrypoints.container import Container
from entrypoints.http.drain import Drain
from entrypoints.http.health import Health
from entrypoints.http.sealed import sealed_application
from entrypoints.http.server import DrainAwareServer, ServerSettings
from entrypoints.settings import Settings

SEALED_LOOK_SECONDS = 1.0
# The whole journal is compared each time.
WATCH_SECONDS = 30.0


async def assert_fence_open(container: Container) -> None:
    """Raises FenceClosed."""
    fence = await container.look_at_fence()()
    if fence.closed:
        raise FenceClosed(f"{told(fence)}. See `strongroom restore status`.")


async def fence_opened(container: Container, settings: Settings) -> bool:
    """Answer with 503 as long as something is missing. False: it was told to stop meanwhile."""
    fence = await container.look_at_fence()()
    if not fence.closed:
        return True
    say(f"sealed: {told(fence)}; see `strongroom restore status`")
    say(
        f"if this is a new database, and not an old one, move {settings.fence_directory} away and"
        " start again"
    )

    async def closed() -> str:
        return told(fence)

    drain = Drain()
    app = sealed_application(
        version=version("strongroom"),
        drain=drain,
        health=Health(needed={"fence": closed}, useful={}),
    )
    server = DrainAwareServer(
        app,
        listening(settings),
        drain,
        announce=lambda own: say(f"sealed on http://{own.config.host}:{own.port}"),
    )
    async with beside(_stop_once_open(container, server), name="fence"):
        await server.serve()
    return not (await container.look_at_fence()()).closed


async def fence_watched(container: Container) -> None:
    """Ends this process if the database is replaced by an older one while it serves: its next
    start is sealed."""
    while True:
        await asyncio.sleep(WATCH_SECONDS)
        fence = await _looked(container)
        if fence is not None and fence.closed:
            say(f"stopping, because the database went back in time: {told(fence)}")
            os.kill(os.getpid(), signal.SIGTERM)
            return


def listening(settings: Settings) -> ServerSettings:
    return ServerSettings(
        host=settings.host,
        port=settings.port,
        drain_seconds_max=settings.drain_seconds_max,
        trusted_proxies=tuple(settings.trusted_proxies.split()),
    )


def told(fence: Fence) -> str:
    """In one line, for operators; no ids."""
    parts = []
    if fence.missing:
        parts.append(f"{len(fence.missing):,} of {fence.known:,} endings are missing")
    if fence.lost_entries:
        parts.append("the log lost entries that it had")
    return " and ".join(parts) or "nothing is missing"


async def _stop_once_open(container: Container, server: DrainAwareServer) -> None:
    while True:
        await asyncio.sleep(SEALED_LOOK_SECONDS)
        fence = await _looked(container)
        if fence is not None and not fence.closed:
            server.should_exit = True
            return


async def _looked(container: Container) -> Fence | None:
    """None while it cannot be looked at: an outage is not a restore."""
    try:
        return await container.look_at_fence()()
    except (Unavailable, OSError):
        return None
