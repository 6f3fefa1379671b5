"""What is asked for at the same time is done at once: one statement and one commit for all.

Per tenant there is one turn at a time: it takes whatever is waiting, and the next begins as soon as
the last one is over, without a timer. Whoever comes alone waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from domain.identity import TenantId

TOGETHER_MAX = 32

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Together(Generic[Asked, Answer]):
    """Belongs to one event loop. `do` answers in the order of what was asked, or raises for all.

    Whoever does not wait any more before a turn begins is not part of it; later, the turn goes on
    without them.
    """

    do: Callable[[TenantId, Sequence[Asked]], Awaitable[Sequence[Answer]]]
    _waiting: dict[TenantId, list[tuple[Asked, asyncio.Future[Answer]]]] = field(
        default_factory=lambda: defaultdict(list), init=False
    )
    _turns: dict[TenantId, asyncio.Task[None]] = field(default_factory=dict, init=False)

    async def __call__(self, tenant_id: TenantId, asked: Asked) -> Answer:
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[tenant_id].append((asked, answer))
        if tenant_id not in self._turns:
            # In a context of its own: it is nobody's request.
            turn = asyncio.create_task(self._all(tenant_id), context=Context())
            self._turns[tenant_id] = turn
        return await answer

    async def _all(self, tenant_id: TenantId) -> None:
        waiting = self._waiting[tenant_id]
        try:
            while waiting:
                batch, waiting[:TOGETHER_MAX] = waiting[:TOGETHER_MAX], []
                await self._turn(tenant_id, [each for each in batch if not each[1].done()])
        finally:
            for _, answer in waiting:  # this task was cancelled: the process ends
                answer.cancel()
            del self._turns[tenant_id], self._waiting[tenant_id]

    async def _turn(
        self, tenant_id: TenantId, batch: Sequence[tuple[Asked, asyncio.Future[Answer]]]
    ) -> None:
        if not batch:
            return
        try:
            answers = await self.do(tenant_id, [asked for asked, _ in batch])
        except BaseException as error:
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            if not isinstance(error, Exception):
                raise
        else:
            for (_, answer), told in zip(batch, answers, strict=True):
                if not answer.done():
                    answer.set_result(told)
