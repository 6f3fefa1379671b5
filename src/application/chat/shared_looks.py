"""Looks into the store that the readers of one run share, as the runs share their commits.

Many read one run, and all are woken at once, by an event or because the run was ended. Whoever is
at the same place asks together with those who ask while no look for that place has begun; a look
that has begun may not know what a reader was woken for, so it is joined by nobody.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from application.chat.ports import RunEvents, RunPage
from domain.identity import Caller, RunId

_Place = tuple[Caller, RunId, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedLooks:
    """Belongs to one event loop. A reader that goes away leaves the look to the others."""

    stored: RunEvents
    _to_begin: dict[_Place, asyncio.Task[RunPage | None]] = field(default_factory=dict, init=False)

    async def page(self, caller: Caller, run_id: RunId, *, after: int) -> RunPage | None:
        """What `RunEvents.page` says, asked after this was called. Raises what that raises."""
        place = (caller, run_id, after)
        look = self._to_begin.get(place)
        if look is None:
            look = self._to_begin[place] = asyncio.create_task(self._look(place))
        return await asyncio.shield(look)

    async def _look(self, place: _Place) -> RunPage | None:
        del self._to_begin[place]
        caller, run_id, after = place
        return await self.stored.page(caller, run_id, after=after)
