"""What a start tells its reader: nothing while it is quick, a line for whatever takes longer."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

QUIET_SECONDS = 1.0


def say(line: str) -> None:
    print(f"strongroom: {line}", file=sys.stderr, flush=True)


@asynccontextmanager
async def step(doing: str) -> AsyncIterator[None]:
    """Name what is being done once it has taken a second, and how long it took in the end."""
    started = time.monotonic()
    loop = asyncio.get_running_loop()
    late = loop.call_later(QUIET_SECONDS, say, f"{doing} ...")
    try:
        yield
    finally:
        late.cancel()
        seconds = time.monotonic() - started
        if seconds > QUIET_SECONDS:
            say(f"{doing}: {seconds:.1f} s")
