from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from adapters.postgres.together import TOGETHER_MAX, Together
from domain.identity import TenantId

HERE, THERE = TenantId(UUID(int=1)), TenantId(UUID(int=2))


class Turns:
    """Doubles numbers, one turn after another, each when it is let."""

    def __init__(self) -> None:
        self.begun: list[tuple[TenantId, list[int]]] = []
        self.let = asyncio.Event()

    async def __call__(self, tenant_id: TenantId, asked: Sequence[int]) -> Sequence[int]:
        self.begun.append((tenant_id, list(asked)))
        await self.let.wait()
        if -1 in asked:
            raise ValueError("refused")
        return [2 * each for each in asked]


async def begun(together: Together[int, int], *asked: int) -> list[asyncio.Task[int]]:
    tasks = [asyncio.create_task(together(HERE, each)) for each in asked]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_who_comes_during_a_turn_shares_the_next() -> None:
    turns = Turns()
    together = Together(do=turns)
    first = await begun(together, 1)
    later = await begun(together, 2, 3, 4)
    assert turns.begun == [(HERE, [1])]
    turns.let.set()
    assert await asyncio.gather(*first, *later) == [2, 4, 6, 8]
    assert turns.begun == [(HERE, [1]), (HERE, [2, 3, 4])]


async def test_tenants_have_turns_of_their_own() -> None:
    turns = Turns()
    together = Together(do=turns)
    here = await begun(together, 1)
    there = asyncio.create_task(together(THERE, 2))
    await asyncio.sleep(0.01)
    assert turns.begun == [(HERE, [1]), (THERE, [2])]
    turns.let.set()
    assert await asyncio.gather(*here, there) == [2, 4]


async def test_a_turn_is_bounded_and_nobody_is_forgotten() -> None:
    turns = Turns()
    turns.let.set()
    asked = range(3 * TOGETHER_MAX + 1)
    together = Together(do=turns)
    answers = await asyncio.gather(*(together(HERE, each) for each in asked))
    assert answers == [2 * each for each in asked]
    assert max(len(each) for _, each in turns.begun) == TOGETHER_MAX


async def test_what_is_refused_is_refused_to_its_turn_and_the_next_goes_on() -> None:
    turns = Turns()
    together = Together(do=turns)
    first = await begun(together, 1, -1)
    later = await begun(together, 2)
    turns.let.set()
    refused = await asyncio.gather(*first, return_exceptions=True)
    assert [type(each) for each in refused] == [ValueError, ValueError]
    assert await asyncio.gather(*later) == [4]


@pytest.mark.parametrize("leaving", [0, 1, 2])
async def test_who_leaves_takes_nobody_along(leaving: int) -> None:
    """0 began the turn, 1 is in the same, 2 waits for the next."""
    turns = Turns()
    together = Together(do=turns)
    tasks = [*await begun(together, 0, 1), *await begun(together, 2, 3)]
    tasks[leaving].cancel()
    await asyncio.sleep(0)
    turns.let.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(answers.pop(leaving), asyncio.CancelledError)
    assert answers == [2 * each for each in range(4) if each != leaving]
    assert turns.begun[1] == (HERE, [each for each in (2, 3) if each != leaving])
