"""Questions that wait for their turn: in order, visible, bounded, and nobody's loss."""

from __future__ import annotations

import asyncio
import json

import pytest

from adapters.identifiers import uuid7
from adapters.postgres import run_log
from adapters.postgres.engine import APPLICATION, Database
from application.chat.ask_question import QueueLimits
from application.chat.language_model import Text
from application.chat.ports import AskedQuestion
from domain.chat.budget import Budget, Budgets
from domain.chat.run import QueueFull, RunAlreadyActive, RunState, WhenBusy
from domain.identity import Caller, ConversationId, DocumentId
from tests.integration.chat.conftest import Chat, OpenChat, scripted, until

HOLDS = (Text("a "), 60.0)


async def queued(
    chat: Chat, caller: Caller, of: ConversationId, words: str = "next?", **how: object
) -> AskedQuestion:
    asked: AskedQuestion = await chat.ask(
        caller,
        of,
        words,
        when_busy=WhenBusy.QUEUE,
        **how,  # type: ignore[arg-type]
    )
    return asked


async def state(chat: Chat, caller: Caller, asked: AskedQuestion) -> str:
    run = await chat.chats.run(caller, asked.run.id)
    return str(run.state)


async def test_a_question_waits_for_its_turn_and_says_so(open_chat: OpenChat, asha: Caller) -> None:
    chat, other = await open_chat(scripted(0.5, Text("x"))), await open_chat(scripted(Text("y")))
    of = await chat.conversation(asha)
    first = await chat.ask(asha, of, "q1")
    waiting = [await queued(process, asha, of) for process in (other, chat, other)]
    assert [each.run.state for each in waiting] == ["queued"] * 3
    with pytest.raises(RunAlreadyActive):
        await other.ask(asha, of, "q5")
    told = await asyncio.gather(
        *((chat, other)[n % 2].events(asha, each.run.id) for n, each in enumerate(waiting)),
        *(other.events(asha, each.run.id, after=1) for each in waiting),
    )
    for place, events in enumerate(told[:3], start=1):
        assert [event.number for event in events] == list(range(1, len(events) + 1))
        assert [event.type for event in events][:2] == ["queued", "run_started"]
        assert events[-1].type == "completed"
        assert json.loads(events[0].told)["ahead"] == place
        assert told[place + 2] == events[1:]
    runs = [await chat.chats.run(asha, each.run.id) for each in (first, *waiting)]
    ended = [run.ended_at for run in runs]
    assert ended == sorted(ended)
    messages = await chat.read.messages(caller=asha, conversation_id=of, after=0, limit=99)
    assert [each.message.sequence for each in messages] == list(range(1, 9))
    parents = [each.message.parent_id for each in messages]
    assert parents == [None, *(each.message.id for each in messages[:-1])]


@pytest.mark.slow
async def test_never_two_at_once_and_none_twice_with_four_processes_racing(
    open_chat: OpenChat, asha: Caller
) -> None:
    """Every process is woken for every run that ends, and all of them try to begin the next."""
    processes = [await open_chat(scripted(Text("x"), 0.01)) for _ in range(4)]
    of = [await processes[0].conversation(asha) for _ in range(3)]
    limits = QueueLimits(waiting_max=100)
    for each in processes:
        object.__setattr__(each.ask_question, "queue", limits)
    asked = await asyncio.gather(
        *(queued(processes[n % 4], asha, of[n % 3], f"q{n}") for n in range(36))
    )
    together = 0
    while any([await state(processes[0], asha, each) in ("queued", "running") for each in asked]):
        rows = await processes[0].rows(
            asha,
            "SELECT count(*) FROM runs WHERE tenant_id = :tenant AND state = 'running'"
            " GROUP BY conversation_id",
        )
        together = max([together, *(row[0] for row in rows)])
    assert together == 1
    for each in asked:
        events = await processes[1].events(asha, each.run.id)
        assert [event.type for event in events].count("run_started") == 1
        assert events[-1].type == "completed"


async def test_the_line_is_bounded(open_chat: OpenChat, asha: Caller) -> None:
    chat = await open_chat(scripted(*HOLDS), queue=QueueLimits(waiting_max=2))
    of = await chat.conversation(asha)
    await chat.ask(asha, of)
    waiting = [await queued(chat, asha, of, key=str(n)) for n in range(2)]
    with pytest.raises(QueueFull):
        await queued(chat, asha, of)
    assert (await queued(chat, asha, of, key="1")).run.id == waiting[1].run.id
    await chat.cancel_run(caller=asha, run_id=waiting[0].run.id)
    await queued(chat, asha, of)


async def test_whoever_waits_can_be_cancelled_at_once(open_chat: OpenChat, asha: Caller) -> None:
    chat, other = await open_chat(scripted(*HOLDS)), await open_chat()
    of = await chat.conversation(asha)
    first = await chat.ask(asha, of)
    waiting, last = await queued(chat, asha, of), await queued(chat, asha, of)
    following = asyncio.create_task(other.events(asha, waiting.run.id))
    await asyncio.sleep(0.2)
    run = await other.cancel_run(caller=asha, run_id=waiting.run.id)
    assert run.state is RunState.CANCELLED
    async with asyncio.timeout(0.9):  # woken, and not at its poll
        events = await following
    assert [event.type for event in events] == ["queued", "cancelled"]
    assert [event.number for event in events] == [1, 2]
    assert await state(chat, asha, first) == "running"
    assert await state(chat, asha, last) == "queued"
    again = await chat.cancel_run(caller=asha, run_id=waiting.run.id)
    assert again.state is RunState.CANCELLED
    await chat.cancel_run(caller=asha, run_id=first.run.id)
    await until_begun(chat, asha, last)


async def test_nobody_waits_longer_than_the_limit(open_chat: OpenChat, asha: Caller) -> None:
    chat = await open_chat(scripted(*HOLDS), queue=QueueLimits(seconds_max=0.5))
    of = await chat.conversation(asha)
    first = await chat.ask(asha, of)
    waiting = await queued(chat, asha, of)
    events = await chat.events(asha, waiting.run.id)
    problem = json.loads(events[-1].told)
    assert [event.type for event in events] == ["queued", "failed"]
    assert (problem["code"], problem["status"], problem["retryable"]) == (
        "queued_too_long", 504, True,
    )  # fmt: skip
    assert await state(chat, asha, first) == "running"


async def test_a_question_outlives_the_process_that_took_it(
    open_chat: OpenChat, asha: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that answers dies without a word: its run is swept, and the next one goes on
    elsewhere, with what it was asked with."""
    chat, other = await open_chat(scripted(*HOLDS)), await open_chat(scripted(Text("here")))
    of = await chat.conversation(asha)
    first = await chat.ask(asha, of)
    ids = frozenset({DocumentId(uuid7())})
    waiting = await queued(chat, asha, of, document_ids=ids)
    sought: list[object] = []
    find = other.answer.excerpts.find

    class Watched:
        async def find(self, **asked: object) -> object:
            sought.append(asked["document_ids"])
            return await find(**asked)

    object.__setattr__(other.answer, "excerpts", Watched())
    monkeypatch.setattr(run_log, "END_SECONDS_MAX", 0.1)
    chat.writer.engine = Database.at("postgresql://127.0.0.1:1/none").engine(APPLICATION)
    await chat.executor.drain(0)
    assert await state(other, asha, waiting) == "queued"
    await other.rows(
        asha, "UPDATE runs SET lease_expires_at = now() WHERE tenant_id = :tenant"
        " AND id = :run RETURNING 1", run=first.run.id,
    )  # fmt: skip
    assert await other.fail_abandoned_runs() >= 1
    events = await other.events(asha, waiting.run.id)
    assert [event.type for event in events][:2] == ["queued", "run_started"]
    assert events[-1].type == "completed"
    assert sought == [ids]


async def test_a_wake_up_that_was_lost_costs_a_second_and_no_question(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat(scripted(*HOLDS), queue_topic="nobody calls here")
    of = await chat.conversation(asha)
    first, waiting = await chat.ask(asha, of), await queued(chat, asha, of)
    await chat.cancel_run(caller=asha, run_id=first.run.id)
    await until_begun(chat, asha, waiting, seconds=4)


async def test_what_waits_has_its_budget_and_gives_it_back(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat(scripted(*HOLDS), budgets=Budgets(person=Budget(tokens_max=10_000_000)))
    of = await chat.conversation(asha)

    async def reserved() -> int:
        return (await chat.spending.standing(asha)).person_reserved.tokens

    first = await chat.ask(asha, of, "next?")
    one = await reserved()
    assert one > 0
    waiting = [await queued(chat, asha, of) for _ in range(3)]
    assert await reserved() == 4 * one
    await chat.cancel_run(caller=asha, run_id=waiting[1].run.id)
    assert await reserved() == 3 * one
    assert await chat.spending.of_run(asha, waiting[1].run.id) == []
    for each in (first, waiting[0], waiting[2]):
        if each is not first:
            await until_begun(chat, asha, each)
        await chat.cancel_run(caller=asha, run_id=each.run.id)
        await chat.events(asha, each.run.id)
    await until(lambda: chat.executor.running == 0)
    assert await reserved() == 0


async def until_begun(
    chat: Chat, caller: Caller, asked: AskedQuestion, *, seconds: float = 10
) -> None:
    following = await chat.follow_run(caller=caller, run_id=asked.run.id, after=1)
    async with asyncio.timeout(seconds):
        assert (await anext(following)).type == "run_started"
    await following.aclose()


async def test_a_deleted_conversation_takes_its_line_with_it(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat(scripted(*HOLDS))
    of = await chat.conversation(asha)
    await chat.ask(asha, of)
    await queued(chat, asha, of)
    await chat.delete_conversation(caller=asha, conversation_id=of)
    await until(lambda: chat.executor.running == 0)
    assert await chat.rows(asha, "SELECT 1 FROM runs WHERE tenant_id = :tenant") == []


async def test_a_process_that_stops_begins_nothing(open_chat: OpenChat, asha: Caller) -> None:
    chat = await open_chat(scripted(*HOLDS))
    of = await chat.conversation(asha)
    await chat.ask(asha, of)
    waiting = await queued(chat, asha, of)
    await chat.executor.drain(0)
    await chat.start_queued_runs()
    assert await state(chat, asha, waiting) == "queued"
    other = await open_chat(scripted(Text("here")))
    assert (await other.events(asha, waiting.run.id))[-1].type == "completed"
