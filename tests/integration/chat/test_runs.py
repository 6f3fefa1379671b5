"""Asking, answering and following, on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import event

from adapters.identifiers import uuid7
from adapters.postgres import run_log
from adapters.postgres.engine import APPLICATION, Database
from adapters.postgres.run_watch import LOOK_SECONDS
from application.chat.answer_limits import AnswerLimits
from application.chat.language_model import ModelFailed, ModelUnavailable, Text
from application.chat.live_runs import TRUST_SECONDS
from domain.chat.conversation import ConversationNotFound
from domain.chat.run import RunAlreadyActive, RunNotFound
from domain.errors import KeyReused
from domain.identity import Caller, ConversationId, RunId, TenantId
from tests.integration.chat.conftest import Chat, OpenChat, idle, scripted, until
from tests.integration.test_isolation import CallerIn


async def answer_of(chat: Chat, caller: Caller, conversation_id: ConversationId) -> str | None:
    messages = await chat.read.messages(
        caller=caller, conversation_id=conversation_id, after=0, limit=100
    )
    content: str | None = messages[-1].content
    return content


async def test_an_answer_is_a_numbered_story_with_one_end(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat()
    asked = await chat.ask(asha)
    events = await chat.events(asha, asked.run.id)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert [event.type for event in events] == [
        "run_started", "retrieval", *["text_delta"] * 20, "usage", "completed",
    ]  # fmt: skip
    messages = await chat.read.messages(
        caller=asha, conversation_id=asked.run.conversation_id, after=0, limit=10
    )
    assert [each.content for each in messages] == [
        "What do cats do?",
        "".join(json.loads(event.told)["text"] for event in events if event.type == "text_delta"),
    ]
    assert [each.message.sequence for each in messages] == [1, 2]
    assert messages[1].message.parent_id == messages[0].message.id
    assert messages[1].message.run_id == asked.run.id


async def test_a_stream_cut_anywhere_goes_on_to_the_byte_in_this_and_in_another_process(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat, other = await open_chat(scripted(pause_seconds=0.01)), await open_chat()
    asked = await chat.ask(asha)
    readers = [chat.events(asha, asked.run.id, after=number) for number in range(24)]
    readers += [other.events(asha, asked.run.id, after=number) for number in range(24)]
    live = await asyncio.gather(*readers)
    whole = live[0]
    assert len(whole) == 24
    replayed = [await other.events(asha, asked.run.id, after=number) for number in range(25)]
    for number in range(24):
        assert live[number] == live[24 + number] == replayed[number] == whole[number:]
    assert replayed[24] == []


async def test_a_reader_in_another_process_is_woken_and_does_not_wait_for_its_poll(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat, other = await open_chat(scripted(0.3, Text("late"))), await open_chat()
    asked = await chat.ask(asha)
    started = asyncio.get_running_loop().time()
    events = await other.events(asha, asked.run.id)
    assert events[-1].type == "completed"
    assert asyncio.get_running_loop().time() - started < 0.8


async def test_sixteen_at_once_with_one_key_are_one_question(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat, other = await open_chat(), await open_chat()
    conversation_id = await chat.conversation(asha)
    asked = await asyncio.gather(
        *((chat, other)[n % 2].ask(asha, conversation_id, key="once") for n in range(16))
    )
    assert len({each.run.id for each in asked}) == 1
    assert {each.message.sequence for each in asked} == {1}
    again = await chat.ask(asha, conversation_id, key="once")
    assert again.run.id == asked[0].run.id
    with pytest.raises(KeyReused):
        await chat.ask(asha, conversation_id, "Something else?", key="once")
    await chat.events(asha, again.run.id)
    messages = await chat.read.messages(
        caller=asha, conversation_id=conversation_id, after=0, limit=100
    )
    assert len(messages) == 2


async def test_one_of_many_questions_at_once_wins_and_the_others_are_told(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat, other = await open_chat(scripted(0.5, Text("x"))), await open_chat(scripted(0.5))
    conversation_id = await chat.conversation(asha)
    asked = await asyncio.gather(
        *((chat, other)[n % 2].ask(asha, conversation_id, key=str(n)) for n in range(16)),
        return_exceptions=True,
    )
    refused = [each for each in asked if isinstance(each, RunAlreadyActive)]
    assert len(refused) == 15


@pytest.mark.slow
async def test_sequences_have_no_gaps_under_thirty_two_writers(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat, other = await open_chat(scripted(Text("yes"))), await open_chat(scripted(Text("no")))
    conversations = [await chat.conversation(asha) for _ in range(4)]
    acknowledged: set[object] = set()

    async def write(writer: int) -> None:
        process, conversation_id = (chat, other)[writer % 2], conversations[writer % 4]
        for turn in range(3):
            while True:
                try:
                    asked = await process.ask(asha, conversation_id, key=f"{writer} {turn}")
                except RunAlreadyActive:
                    await asyncio.sleep(0.01)
                    continue
                acknowledged.add(asked.message.id)
                break

    async with asyncio.timeout(120):
        await asyncio.gather(*(write(number) for number in range(32)))
    assert len(acknowledged) == 96
    for conversation_id in conversations:
        messages = await other.read.messages(
            caller=asha, conversation_id=conversation_id, after=0, limit=1000
        )
        assert [each.message.sequence for each in messages] == list(range(1, 49))
        assert {each.message.id for each in messages[::2]} <= acknowledged


async def test_a_cancelled_run_keeps_what_it_said_and_says_no_more(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat, other = await open_chat(scripted(Text("a "), Text("b "), 60.0)), await open_chat()
    for process in (chat, other):
        asked = await chat.ask(asha)
        following = await chat.follow_run(caller=asha, run_id=asked.run.id, after=0)
        seen = [await anext(following) for _ in range(4)]
        started = asyncio.get_running_loop().time()
        await process.cancel_run(caller=asha, run_id=asked.run.id)
        async with asyncio.timeout(5):
            seen += [event async for event in following]
        assert asyncio.get_running_loop().time() - started < 0.4
        assert [event.type for event in seen][-2:] == ["text_delta", "cancelled"]
        assert json.loads(seen[-1].told) == {"by": "owner"}
        assert await chat.events(asha, asked.run.id) == seen
        assert await answer_of(chat, asha, asked.run.conversation_id) == "a b "
        run = await chat.cancel_run(caller=asha, run_id=asked.run.id)
        assert run.state == "cancelled"


async def test_a_run_is_nobody_elses(
    open_chat: OpenChat, asha: Caller, tenant_id: TenantId, caller_in: CallerIn
) -> None:
    chat, stranger = await open_chat(), await caller_in(tenant_id)
    asked = await chat.ask(asha)
    conversation_id = asked.run.conversation_id
    for run_id in (asked.run.id, RunId(uuid7())):
        with pytest.raises(RunNotFound):
            await chat.follow_run(caller=stranger, run_id=run_id, after=0)
        with pytest.raises(RunNotFound):
            await chat.cancel_run(caller=stranger, run_id=run_id)
    for each in (conversation_id, ConversationId(uuid7())):
        with pytest.raises(ConversationNotFound):
            await chat.ask(stranger, each)
        with pytest.raises(ConversationNotFound):
            await chat.read.one(caller=stranger, conversation_id=each)
        with pytest.raises(ConversationNotFound):
            await chat.read.messages(caller=stranger, conversation_id=each, after=0, limit=9)
        with pytest.raises(ConversationNotFound):
            await chat.delete_conversation(caller=stranger, conversation_id=each)
    assert await chat.read.page(caller=stranger, after=None, limit=9) == []


async def test_a_failing_model_is_replaced_before_its_first_word_only(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat(scripted(ModelUnavailable()), scripted(Text("instead")))
    events = await chat.events(asha, (await chat.ask(asha)).run.id)
    assert [event.type for event in events][2:5] == ["fallback", "text_delta", "usage"]
    assert json.loads(events[2].told)["reason"] == "model_unavailable"

    chat = await open_chat(scripted(Text("half "), ModelFailed()), scripted(Text("instead")))
    asked = await chat.ask(asha)
    events = await chat.events(asha, asked.run.id)
    problem = json.loads(events[-1].told)
    assert [event.type for event in events][2:] == ["text_delta", "failed"]
    assert (problem["code"], problem["status"], problem["retryable"]) == ("model_failed", 503, True)
    assert await answer_of(chat, asha, asked.run.conversation_id) == "half "


@pytest.mark.parametrize(
    ("script", "limits", "code"),
    [
        ((60.0,), AnswerLimits(first_piece_seconds_max=0.1), "model_too_slow"),
        ((Text("a"), 60.0), AnswerLimits(piece_seconds_max=0.1), "model_too_slow"),
        ((Text("a"), 60.0), AnswerLimits(run_seconds_max=0.3), "run_too_long"),
        ((Text("a" * 500),), AnswerLimits(answer_bytes_max=499), "answer_too_long"),
        ((RuntimeError("secret"),), AnswerLimits(), "internal_error"),
    ],
)
async def test_every_deadline_and_fault_is_a_terminal_event(
    open_chat: OpenChat, asha: Caller, script: tuple[object, ...], limits: AnswerLimits, code: str
) -> None:
    chat = await open_chat(scripted(*script), limits=limits)
    events = await chat.events(asha, (await chat.ask(asha)).run.id)
    assert events[-1].type == "failed"
    assert json.loads(events[-1].told)["code"] == code
    assert "secret" not in events[-1].told


async def test_draining_ends_what_does_not_finish_as_retryable(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat(scripted(Text("a "), 60.0))
    asked = await chat.ask(asha)
    following = await chat.follow_run(caller=asha, run_id=asked.run.id, after=0)
    seen = [await anext(following) for _ in range(3)]
    await chat.executor.drain(0.1)
    seen += [event async for event in following]
    problem = json.loads(seen[-1].told)
    assert (problem["code"], problem["retryable"]) == ("server_stopping", True)
    assert not chat.executor.has_room


async def test_a_run_without_an_owner_is_ended_by_the_sweeper(
    open_chat: OpenChat, asha: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat, other = await open_chat(scripted(Text("a "), Text("b "), 60.0)), await open_chat()
    asked = await chat.ask(asha)
    following = await other.follow_run(caller=asha, run_id=asked.run.id, after=0)
    seen = [await anext(following) for _ in range(4)]
    monkeypatch.setattr(run_log, "END_SECONDS_MAX", 0.1)
    chat.writer.engine = Database.at("postgresql://127.0.0.1:1/none").engine(APPLICATION)
    await chat.executor.drain(0)  # it goes without a word: nothing reaches the database any more
    await other.fail_abandoned_runs()
    assert (await other.chats.run(asha, asked.run.id)).state == "running"
    await chat.rows(
        asha, "UPDATE runs SET lease_expires_at = now() WHERE tenant_id = :tenant RETURNING 1"
    )
    assert await other.fail_abandoned_runs() >= 1
    async with asyncio.timeout(2):
        seen += [event async for event in following]
    assert [event.number for event in seen] == [1, 2, 3, 4, 5]
    assert json.loads(seen[-1].told)["code"] == "run_abandoned"
    assert await answer_of(other, asha, asked.run.conversation_id) == "a b "


async def test_a_silent_run_keeps_its_lease(open_chat: OpenChat, asha: Caller) -> None:
    chat = await open_chat(scripted(3.0, Text("at last")), lease_seconds=2.0)
    asked = await chat.ask(asha)
    await chat.rows(
        asha, "UPDATE runs SET lease_expires_at = clock_timestamp() + interval '1 s'"
        " WHERE tenant_id = :tenant RETURNING 1",
    )  # fmt: skip
    for _ in range(25):
        await asyncio.sleep(0.1)
        await chat.fail_abandoned_runs()
    assert (await chat.events(asha, asked.run.id))[-1].type == "completed"


async def test_a_reader_that_falls_behind_reads_the_rest_from_the_store(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat(scripted(*[Text(f"{number} ") for number in range(2_000)]))
    asked = await chat.ask(asha)
    following = await chat.follow_run(caller=asha, run_id=asked.run.id, after=0)
    first = await anext(following)
    while (await chat.chats.run(asha, asked.run.id)).state == "running":
        live = chat.live.find(asked.run.id)
        assert live is None or len(live._events) <= 512
        await asyncio.sleep(0.05)
    rest = [event async for event in following]
    assert [event.number for event in [first, *rest]] == list(range(1, 2_005))


async def test_a_deleted_conversation_takes_its_run_with_it(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat(scripted(Text("a "), 60.0))
    asked = await chat.ask(asha)
    await anext(await chat.follow_run(caller=asha, run_id=asked.run.id, after=0))
    await chat.delete_conversation(caller=asha, conversation_id=asked.run.conversation_id)
    await idle(chat)
    for table in ("messages", "runs", "run_events", "conversations"):
        assert await chat.rows(asha, f"SELECT 1 FROM {table} WHERE tenant_id = :tenant") == []
    with pytest.raises(RunNotFound):
        await chat.follow_run(caller=asha, run_id=asked.run.id, after=0)


async def test_what_is_said_is_sealed_at_rest(open_chat: OpenChat, asha: Caller) -> None:
    chat = await open_chat(scripted(Text("the canary "), Text("sings")))
    conversation = await chat.start_conversation(caller=asha, title="canary title")
    asked = await chat.ask(asha, conversation.id, "Where is the canary?")
    await chat.events(asha, asked.run.id)
    tables = await chat.rows(
        asha,
        "SELECT DISTINCT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE a.attname = 'tenant_id' AND c.relkind = 'r' AND CAST(:tenant AS uuid) IS NOT NULL"
        " AND has_table_privilege(c.oid, 'SELECT')",
    )
    assert {"messages", "run_events", "conversations", "runs"} <= {each[0] for each in tables}
    for (table,) in tables:
        rows = await chat.rows(asha, f"SELECT t::text FROM {table} t WHERE tenant_id = :tenant")
        dump = "\n".join(row[0] for row in rows)
        for canary in (b"canary", b"sings"):
            assert canary.decode() not in dump, table
            assert canary.hex() not in dump, table


async def test_runs_that_wait_for_their_models_are_looked_at_together_and_none_is_locked(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat(scripted(Text("Cats "), 60.0))
    run_ids = [(await chat.ask(asha)).run.id for _ in range(12)]
    await until(lambda: all((live := chat.live.find(e)) and live.after(2) for e in run_ids))
    locked = "SELECT id, xmin, xmax FROM runs WHERE tenant_id = :tenant AND id = ANY(:runs)"
    before = await chat.rows(asha, locked, runs=run_ids)
    with _statements(chat) as said:
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(TRUST_SECONDS + 1.0)
        seconds = asyncio.get_running_loop().time() - began
    assert all((live := chat.live.find(each)) and live.is_trusted for each in run_ids)
    assert await chat.rows(asha, locked, runs=run_ids) == before
    looks = [each for each in said if "AS looked" in each]
    assert 1 <= len(looks) <= seconds / LOOK_SECONDS


async def test_those_who_read_one_run_look_for_its_events_together(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat, other = await open_chat(scripted(pause_seconds=0.05)), await open_chat()
    asked = await chat.ask(asha)
    with _statements(chat) as said:
        told = await asyncio.gather(*(other.events(asha, asked.run.id) for _ in range(40)))
    assert told[0][-1].type == "completed"
    assert all(each == told[0] for each in told)
    looks = [each for each in said if "run_events.number >" in each]
    assert len(told[0]) / 2 < len(looks) < 40 * len(told[0]) / 5


@contextmanager
def _statements(chat: Chat) -> Iterator[list[str]]:
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    event.listen(chat.engine.sync_engine, "before_cursor_execute", note)
    try:
        yield said
    finally:
        event.remove(chat.engine.sync_engine, "before_cursor_execute", note)
