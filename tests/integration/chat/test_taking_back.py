"""Withdrawal and erasure against answers: running ones stop, finished ones are gone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from sqlalchemy import text

from adapters.postgres.engine import APPLICATION, Database, transaction
from adapters.postgres.tombstones import DOCUMENT_ERASED, tombstone_answers
from application.chat.answer_limits import AnswerLimits
from application.chat.language_model import Text
from domain.chat.event import Event
from domain.chat.run import AnswerWithdrawn
from domain.identity import Caller, RunId
from tests.integration.chat.conftest import Chat, OpenChat, Shared, idle, scripted

Share = Callable[..., Awaitable[Shared]]


@pytest.fixture(params=["hide", "keep"])
async def policy(request: pytest.FixtureRequest, database: Database, asha: Caller) -> str:
    """What the tenant does with finished answers; with those that are being written, the same."""
    if request.param == "keep":
        connection = await database.connect(APPLICATION)
        try:
            async with connection.transaction():
                tenant = str(asha.tenant_id)
                await connection.execute("SELECT set_config('app.tenant', $1, true)", tenant)
                await connection.execute(
                    "INSERT INTO withdrawal_policies (tenant_id, answers, lawful_basis, reference)"
                    " VALUES ($1, 'keep', 'legal_obligation', 'Schedule 7.2')",
                    asha.tenant_id,
                )
        finally:
            await connection.close()
    return str(request.param)


ENDLESS = [Text(f"{number} ") for number in range(2_000)]

_REVOKE = (
    "UPDATE grants SET revoked_at = clock_timestamp(), epoch = epoch + 1"
    " WHERE tenant_id = :tenant AND id = :grant RETURNING 1"
)


async def withdraw(chat: Chat, shared: Shared) -> float:
    """What withdrawing a consent does to grants and answers; when it was acknowledged."""
    owner = shared.owner
    async with transaction(chat.engine, owner.tenant_id, owner.person_id) as connection:
        await connection.execute(
            text(_REVOKE), {"tenant": owner.tenant_id, "grant": shared.grant_id}
        )
        back = await tombstone_answers(
            connection,
            owner.tenant_id,
            reason="access_revoked",
            grants=[shared.grant_id],
            policy_applies=True,
        )
    assert back.answers_hidden + back.answers_kept >= 1
    return asyncio.get_running_loop().time()


async def close_grant(chat: Chat, shared: Shared) -> float:
    """The bare grant, without anything being said about answers."""
    await chat.rows(shared.owner, _REVOKE, grant=shared.grant_id)
    return asyncio.get_running_loop().time()


async def followed(
    chat: Chat, caller: Caller, run_id: RunId, seen: list[tuple[float, Event]]
) -> None:
    async for event in await chat.follow_run(caller=caller, run_id=run_id, after=0):
        seen.append((asyncio.get_running_loop().time(), event))


@pytest.mark.parametrize("take_back", [withdraw, close_grant])
@pytest.mark.parametrize("pause_seconds", [0.004, 0.2])
async def test_nothing_is_said_after_access_ended_and_readers_are_told_within_a_second(
    open_chat: OpenChat,
    asha: Caller,
    share: Share,
    policy: str,
    take_back: object,
    pause_seconds: float,
) -> None:
    shared = await share(asha)
    model = scripted(*ENDLESS, pause_seconds=pause_seconds)
    chat, other = await open_chat(model, excerpts=[shared.excerpt]), await open_chat()
    asked = await chat.ask(asha)
    here: list[tuple[float, Event]] = []
    there: list[tuple[float, Event]] = []
    readers = [
        asyncio.create_task(followed(chat, asha, asked.run.id, here)),
        asyncio.create_task(followed(other, asha, asked.run.id, there)),
    ]
    await asyncio.sleep(0.5)
    acknowledged_at = await take_back(chat, shared)  # type: ignore[operator]
    async with asyncio.timeout(5):
        await asyncio.gather(*readers)
    for seen in (here, there):
        at, last = seen[-1]
        assert last.type == "access_revoked"
        assert last.number == seen[-2][1].number + 1
        assert json.loads(last.told) == {
            "reason": "access_revoked",
            "grants": [str(shared.grant_id)],
        }
        assert at - acknowledged_at < 1.0
        assert all(event.type != "access_revoked" for _, event in seen[:-1])
        late = [event for at, event in seen[:-1] if at > acknowledged_at + 0.25]
        assert late == []
    await assert_gone(chat, asha, asked.run.id)
    await idle(chat)


async def assert_gone(
    chat: Chat, caller: Caller, run_id: RunId, reason: str = "access_revoked"
) -> None:
    with pytest.raises(AnswerWithdrawn):
        await chat.follow_run(caller=caller, run_id=run_id, after=0)
    run = await chat.chats.run(caller, run_id)
    assert run is not None
    assert run.state == "access_revoked"
    messages = await chat.read.messages(
        caller=caller, conversation_id=run.conversation_id, after=0, limit=10
    )
    assert (messages[-1].content, messages[-1].message.tombstone) == (None, reason)
    left = await chat.rows(
        caller, "SELECT 1 FROM run_events WHERE tenant_id = :tenant AND run_id = :run", run=run_id
    )
    assert left == []


async def assert_kept(chat: Chat, caller: Caller, run_id: RunId) -> None:
    events = [each async for each in await chat.follow_run(caller=caller, run_id=run_id, after=0)]
    assert [event.type for event in events[-2:]] == ["kept", "completed"]
    run = await chat.chats.run(caller, run_id)
    assert run is not None
    assert run.state == "completed"
    messages = await chat.read.messages(
        caller=caller, conversation_id=run.conversation_id, after=0, limit=10
    )
    answer = next(each for each in messages if each.message.id == run.answer_id)
    assert answer.content
    assert (answer.message.tombstone, answer.message.kept) == (None, run.kept)


async def assert_by(policy: str, chat: Chat, caller: Caller, run_id: RunId) -> None:
    """Of an answer that was finished before the withdrawal."""
    await (assert_gone if policy == "hide" else assert_kept)(chat, caller, run_id)


async def test_a_finished_answer_goes_with_the_consent_it_rested_on_or_is_kept(
    open_chat: OpenChat, asha: Caller, share: Share, policy: str
) -> None:
    shared = await share(asha)
    chat = await open_chat(excerpts=[shared.excerpt])
    asked = await chat.ask(asha)
    assert (await chat.events(asha, asked.run.id))[-1].type == "completed"
    await withdraw(chat, shared)
    await assert_by(policy, chat, asha, asked.run.id)


async def test_a_grant_that_ends_by_itself_ends_the_run(
    open_chat: OpenChat, asha: Caller, share: Share, policy: str
) -> None:
    shared = await share(asha, days=0.7 / 86_400)
    chat = await open_chat(scripted(*ENDLESS, pause_seconds=0.02), excerpts=[shared.excerpt])
    asked = await chat.ask(asha)
    events = await chat.events(asha, asked.run.id)
    assert events[-1].type == "access_revoked"
    await assert_gone(chat, asha, asked.run.id)


async def test_a_silent_model_is_stopped_too(
    open_chat: OpenChat, asha: Caller, share: Share
) -> None:
    shared = await share(asha)
    chat = await open_chat(scripted(Text("a "), 60.0), excerpts=[shared.excerpt])
    asked = await chat.ask(asha)
    following = await chat.follow_run(caller=asha, run_id=asked.run.id, after=0)
    for _ in range(3):
        await anext(following)
    acknowledged_at = await close_grant(chat, shared)
    assert (await anext(following)).type == "access_revoked"
    await idle(chat)
    assert asyncio.get_running_loop().time() - acknowledged_at < 1.0


async def test_a_document_that_is_erased_takes_the_answer_along(
    open_chat: OpenChat, asha: Caller, share: Share, policy: str
) -> None:
    shared = await share(asha)
    own = replace(shared.excerpt, grant_id=None)
    chat = await open_chat(scripted(*ENDLESS, pause_seconds=0.01), excerpts=[own])
    asked = await chat.ask(asha)
    seen: list[tuple[float, Event]] = []
    reader = asyncio.create_task(followed(chat, asha, asked.run.id, seen))
    await asyncio.sleep(0.4)
    owner = shared.owner
    async with transaction(chat.engine, owner.tenant_id, owner.person_id) as connection:
        await tombstone_answers(
            connection, owner.tenant_id, reason=DOCUMENT_ERASED, documents=[shared.document_id]
        )
    async with asyncio.timeout(1):
        await reader
    assert json.loads(seen[-1][1].told)["reason"] == "document_erased"
    await assert_gone(chat, asha, asked.run.id, "document_erased")

    await chat.rows(
        owner, "DELETE FROM documents WHERE tenant_id = :tenant AND id = :id RETURNING 1",
        id=shared.document_id,
    )  # fmt: skip
    asked = await chat.ask(asha)
    with suppress(AnswerWithdrawn):  # whoever comes when it is over already is refused
        told = [event.type for event in await chat.events(asha, asked.run.id)]
        # That it started goes with the rest: who comes in between hears of the end alone.
        assert told in (["run_started", "access_revoked"], ["access_revoked"])
    await idle(chat)
    await assert_gone(chat, asha, asked.run.id, "document_erased")


async def test_an_answer_rests_on_what_the_answers_in_its_prompt_rested_on(
    open_chat: OpenChat, asha: Caller, share: Share, policy: str
) -> None:
    shared = await share(asha)
    limits = AnswerLimits(history_tokens_max=1_000)
    first = await open_chat(excerpts=[shared.excerpt], limits=limits)
    second = await open_chat(limits=limits)
    asked = await first.ask(asha)
    await first.events(asha, asked.run.id)
    after = await second.ask(asha, asked.run.conversation_id, "And then?")
    await second.events(asha, after.run.id)
    await withdraw(first, shared)
    await assert_by(policy, first, asha, asked.run.id)
    await assert_by(policy, first, asha, after.run.id)
    last = await second.ask(asha, asked.run.conversation_id, "And now?")
    assert (await second.events(asha, last.run.id))[-1].type == "completed"


async def test_an_answer_that_ends_while_consent_is_withdrawn_is_gone_or_was_finished(
    open_chat: OpenChat, asha: Caller, share: Share, policy: str, figure: Callable[[str], None]
) -> None:
    """The race of the last commit with the withdrawal: whoever is first, nothing stays, but for
    what is kept, and that is whole."""
    kept = 0
    for _ in range(20):
        shared = await share(asha)
        chat = await open_chat(
            scripted(*[Text(f"{n} ") for n in range(30)]), excerpts=[shared.excerpt]
        )
        asked = await chat.ask(asha)
        following = await chat.follow_run(caller=asha, run_id=asked.run.id, after=0)
        await anext(following)
        await anext(following)
        await withdraw(chat, shared)
        await idle(chat)
        run = await chat.chats.run(asha, asked.run.id)
        if policy == "keep" and run is not None and run.kept is not None:
            kept += 1
            await assert_kept(chat, asha, asked.run.id)
        else:
            await assert_gone(chat, asha, asked.run.id)
        await following.aclose()
    figure(f"{policy}: {kept} of 20 answers were finished before their consent was withdrawn")


async def test_a_withdrawal_waits_for_a_commit_in_flight_and_takes_what_it_added(
    open_chat: OpenChat, asha: Caller, share: Share
) -> None:
    shared = await share(asha)
    chat = await open_chat(excerpts=[shared.excerpt])
    asked = await chat.ask(asha)
    await chat.events(asha, asked.run.id)
    values = {"tenant": asha.tenant_id, "run": asked.run.id}
    hold = "SELECT 1 FROM runs WHERE tenant_id = :tenant AND id = :run FOR NO KEY UPDATE"
    add = (
        "INSERT INTO run_events (tenant_id, run_id, number, type, sealed_data)"
        " VALUES (:tenant, :run, 1000, 'text_delta', '')"
    )
    async with transaction(chat.engine, asha.tenant_id) as connection:
        await connection.execute(text(hold), values)
        withdrawing = asyncio.create_task(withdraw(chat, shared))
        await asyncio.sleep(0.2)
        assert not withdrawing.done()
        await connection.execute(text(add), values)
    await withdrawing
    await assert_gone(chat, asha, asked.run.id)
