"""The word that the server is about to stop, for whatever would otherwise stay open."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class Drain:
    """Begun once, by the server; watched by every open stream. Belongs to one event loop."""

    def __init__(self) -> None:
        self._begun = False
        # One future each: waiting on a shared one costs, at its end, a search among all waiters.
        self._watching: set[asyncio.Future[None]] = set()

    @property
    def begun(self) -> bool:
        return self._begun

    @property
    def watching(self) -> int:
        """How many streams are open."""
        return len(self._watching)

    def begin(self) -> None:
        self._begun = True
        for future in self._watching:
            if not future.done():
                future.set_result(None)

    @contextmanager
    def watch(self) -> Iterator[asyncio.Future[None]]:
        """A future that is done as soon as draining has begun."""
        future = asyncio.get_running_loop().create_future()
        if self._begun:
            future.set_result(None)
        self._watching.add(future)
        try:
            yield future
        finally:
            self._watching.discard(future)
