"""Tokens that say when they were made, so that whoever reads them knows how long they took.

A token is `@PLACE:NANOSECONDS;`, by the clock that all processes of one machine share. All streams
of a server wait for one signal (SIGUSR1), so that they talk at the same time; then each begins at a
moment of its own within the pause between two tokens, so that they do not talk in step.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import time
from collections.abc import AsyncIterator

TOKEN = re.compile(rb"@(\d+):(\d+);")

TOKENS = int(os.environ.get("STREAMS_TOKENS", "12"))
PAUSE_SECONDS = float(os.environ.get("STREAMS_PAUSE_SECONDS", "4"))

_go: list[asyncio.Event] = []


async def tokens() -> AsyncIterator[str]:
    """The tokens of one stream, from the next signal on."""
    await _signal().wait()
    await asyncio.sleep(random.uniform(0, PAUSE_SECONDS))
    for place in range(TOKENS):
        if place:
            await asyncio.sleep(PAUSE_SECONDS)
        yield f"@{place}:{time.monotonic_ns()};"


def _signal() -> asyncio.Event:
    if not _go:
        _go.append(asyncio.Event())
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _called)
    return _go[-1]


def _called() -> None:
    called = _go[-1]
    _go[-1] = asyncio.Event()
    called.set()
