"""Settle: note in the ledger what the calls of a run took, and let go of what it had reserved."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from application.chat.ports import AskedQuestion
from application.chat.spending import Bill, Spending
from domain.chat.model_call import ModelCall
from domain.errors import Unavailable

ATTEMPTS_MAX = 5
PAUSE_SECONDS = 0.2


class ModelMeter(Protocol):
    """Counts calls, by the names of models and outcomes alone. Never waits, never fails."""

    def called(self, call: ModelCall) -> None: ...

    def unsettled(self) -> None:
        """What a run took could not be noted."""
        ...


def bill_of(asked: AskedQuestion) -> Bill:
    """The day of the run pays, whenever it ends."""
    run = asked.run
    return Bill(caller=asked.caller, run_id=run.id, purpose=run.purpose, day=run.created_at.date())


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleCalls:
    """Waits for a database that is away for a moment, as long as a run does that is ending.

    What could not be noted by then the sweeper releases, and the meter tells of.
    """

    spending: Spending
    meter: ModelMeter

    async def __call__(self, bill: Bill, calls: Sequence[ModelCall]) -> None:
        for call in calls:
            self.meter.called(call)
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                await self.spending.settle(bill, calls)
                return
            except Unavailable:
                if attempt < ATTEMPTS_MAX:
                    await asyncio.sleep(PAUSE_SECONDS * 2**attempt)
        self.meter.unsettled()
