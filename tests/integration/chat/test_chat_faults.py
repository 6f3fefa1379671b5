"""Answers while the database connection is lost, held up, or shared by many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import APPLICATION, Database, transaction
from application.chat.language_model import Text
from domain.chat.event import Event
from domain.errors import Unavailable
from domain.identity import Caller
from tests.integration.chat.conftest import Chat, OpenChat, scripted


@pytest.fixture
async def own_engine(database: Database) -> AsyncIterator[AsyncEngine]:
    """A pool of the process's own, so that its connections can be cut and nobody else's."""
    engine = database.engine(APPLICATION, pool_size=4)
    yield engine
    await engine.dispose()


async def followed(chat: Chat, caller: Caller, run: object, seen: list[Event]) -> None:
    """As a client does it: whenever the stream is cut, go on after the last number."""
    while not (seen and seen[-1].type.is_terminal):
        try:
            after = seen[-1].number if seen else 0
            async for each in await chat.follow_run(caller=caller, run_id=run, after=after):  # type: ignore[arg-type]
                seen.append(each)
        except Unavailable:
            await asyncio.sleep(0.05)


async def test_lost_connections_neither_lose_nor_repeat_an_event(
    open_chat: OpenChat, asha: Caller, own_engine: AsyncEngine, database: Database
) -> None:
    words = [Text(f"{number} ") for number in range(400)]
    chat = await open_chat(scripted(*words, pause_seconds=0.004))
    chat.writer.engine = own_engine
    backends: list[int] = []

    @event.listens_for(own_engine.sync_engine, "connect")
    def remember(connection: Any, _: object) -> None:
        backends.append(connection.driver_connection.get_server_pid())

    asked = await chat.ask(asha)
    seen: list[Event] = []
    reader = asyncio.create_task(followed(chat, asha, asked.run.id, seen))
    superuser = await database.connect("postgres")
    cut = 0
    try:
        while not reader.done():
            await asyncio.sleep(0.15)
            ended = await superuser.fetch(
                "SELECT pg_terminate_backend(a.pid) FROM unnest($1::int[]) AS ours (pid)"
                " JOIN pg_stat_activity a ON a.pid = ours.pid",
                backends,
            )
            cut += len(ended)
    finally:
        await superuser.close()
    async with asyncio.timeout(30):
        await reader
    assert cut > 3
    assert [each.number for each in seen] == list(range(1, len(seen) + 1))
    assert [each.type for each in seen][-1] == "completed"
    assert sum(each.type == "text_delta" for each in seen) == 400
    assert await chat.events(asha, asked.run.id) == seen


async def test_a_run_that_is_held_by_somebody_else_does_not_hold_up_the_others(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat(scripted(*[Text("x ") for _ in range(50)], pause_seconds=0.005))
    held, free = await chat.ask(asha), await chat.ask(asha)
    lock = text("SELECT 1 FROM runs WHERE tenant_id = :tenant AND id = :run FOR UPDATE")
    async with transaction(chat.engine, asha.tenant_id) as connection:
        await connection.execute(lock, {"tenant": asha.tenant_id, "run": held.run.id})
        async with asyncio.timeout(3):
            assert (await chat.events(asha, free.run.id))[-1].type == "completed"
        run = await chat.chats.run(asha, held.run.id)
        assert run is not None
        assert run.state == "running"
    assert (await chat.events(asha, held.run.id))[-1].type == "completed"


@pytest.mark.slow
async def test_sixty_runs_at_once_are_all_whole(open_chat: OpenChat, asha: Caller) -> None:
    chat = await open_chat(scripted(*[Text("x ") for _ in range(10)], pause_seconds=0.02))
    asked = [await chat.ask(asha) for _ in range(60)]
    ends = await asyncio.gather(*(chat.events(asha, each.run.id) for each in asked))
    assert all(events[-1].type == "completed" for events in ends)
    assert all([event.number for event in events] == list(range(1, 15)) for events in ends)
