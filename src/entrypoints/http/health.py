"""Is it alive, and could it answer a question now?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
from litestar import Response, get

from entrypoints.http.access import PUBLIC
from entrypoints.http.injected import Injected

CHECK_SECONDS_MAX = 2.0

Check = Callable[[], Awaitable[str | None]]
"""Looks at one part: None when it is well, else what is wrong, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The parts that readiness is made of. Without a `needed` one no question can be answered."""

    needed: Mapping[str, Check]
    useful: Mapping[str, Check]


class Alive(msgspec.Struct, kw_only=True):
    """The process answers."""

    status: Literal["live"] = "live"


class PartState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How one part is."""

    state: Literal["ready", "degraded", "down"]
    reason: str | None = None


class Readiness(msgspec.Struct, kw_only=True):
    """`ready`, `degraded` (answers, but something is missing) or `unavailable`."""

    status: Literal["ready", "degraded", "unavailable"]
    parts: dict[str, PartState]


@get("/health/live", opt=PUBLIC, tags=["Operations"])
async def live() -> Alive:
    """200 as long as the process answers."""
    return Alive()


@get("/health/ready", opt=PUBLIC, tags=["Operations"])
async def ready(health: Injected[Health]) -> Response[Readiness]:
    """200 only when a question could be answered now, with the state of each part."""
    checks = {**health.needed, **health.useful}
    reasons = dict(
        zip(checks, await asyncio.gather(*(_looked(each) for each in checks.values())), strict=True)
    )
    down = {name for name, reason in reasons.items() if reason is not None}
    parts = {
        name: PartState(
            state="ready" if reason is None else ("down" if name in health.needed else "degraded"),
            reason=reason,
        )
        for name, reason in reasons.items()
    }
    if down & set(health.needed):
        answer = Readiness(status="unavailable", parts=parts)
        return Response(answer, status_code=503, headers={"Retry-After": "2"})
    return Response(Readiness(status="degraded" if down else "ready", parts=parts))


async def _looked(check: Check) -> str | None:
    try:
        async with asyncio.timeout(CHECK_SECONDS_MAX):
            return await check()
    except Exception as error:  # noqa: BLE001 - a check that fails is a part that is down
        return type(error).__name__
