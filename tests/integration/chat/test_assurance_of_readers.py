"""What a grant demands of its reader it demands of whoever rereads what was answered under it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest
from asyncpg import Connection

from adapters.identifiers import uuid7
from adapters.inprocess.excerpts import SearchedExcerpts
from adapters.postgres.engine import Database
from adapters.postgres.kept_answers import PostgresKeptAnswers
from application.chat.answer_limits import AnswerLimits
from application.chat.explain_answer import ExplainAnswer
from application.chat.follow_run import Events
from application.chat.ports import AskedQuestion, ExcerptSource, FoundExcerpts
from application.chat.read_conversations import OpenMessage
from domain.chat.branch import Follows
from domain.chat.event import Event
from domain.chat.run import WhenBusy
from domain.errors import StepUpRequired
from domain.identity import Acr, Action, Caller, DocumentId
from tests.integration.chat.conftest import OpenChat
from tests.integration.chat.scenes import Scene, withdraw
from tests.integration.chat.scenes import scene as scene  # a fixture

QUESTION = "What is the password of the harbour?"
AGAIN = "Say that again, please, all of it."
NOTHING = frozenset({DocumentId(UUID(int=0))})
"""What is asked of this rests on earlier answers alone."""


@dataclass
class Held:
    """`ExcerptSource` that finds nothing before it is let go."""

    source: ExcerptSource
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def find(self, **asked: Any) -> FoundExcerpts:
        await self.go.wait()
        return await self.source.find(**asked)


@pytest.fixture
async def sure(scene: Scene) -> Scene:
    """The document is shared for sessions with a second factor, and the reader has such a one."""
    await withdraw(scene)
    terms: dict[str, Any] = {"purpose": "research", "actions": (Action.QUOTE,)}
    scene.grant = await scene.library.share(
        scene.owner, scene.ref, scene.reader, required_acr=Acr.MFA, **terms
    )
    scene.reader = replace(scene.reader, acr=Acr.MFA)
    return scene


def with_a_password(scene: Scene) -> Caller:
    return replace(scene.reader, acr=Acr.PASSWORD)


async def keep(events: Events, told: list[Event], without: str) -> None:
    async for event in events:
        assert without not in event.told
        told.append(event)


async def somebody_waits(connection: Connection, table: str) -> None:
    waiting = "SELECT count(*) FROM pg_locks WHERE relation = $1::text::regclass AND NOT granted"
    while True:
        if await connection.fetchval(waiting, table):
            return
        await asyncio.sleep(0.01)


async def answer_of(scene: Scene, caller: Caller, asked: AskedQuestion) -> list[OpenMessage]:
    """The answer in the list of all messages, and in that of its branch."""
    given: dict[str, Any] = {"conversation_id": asked.run.conversation_id, "after": 0, "limit": 50}
    lists = [
        await scene.chat.read.messages(caller=caller, branch=branch, **given)
        for branch in (None, asked.run.answer_id)
    ]
    return [each for found in lists for each in found if each.message.id == asked.run.answer_id]


async def test_an_answer_is_shown_to_sessions_that_may_open_what_it_rests_on(sure: Scene) -> None:
    first = await sure.ask(QUESTION)
    second = await sure.ask(AGAIN, first, document_ids=NOTHING)
    assert sure.canary in sure.model.given[-1]
    explain_answer = ExplainAnswer(
        kept=PostgresKeptAnswers(engine=sure.chat.engine),
        own_keys=sure.chat.own_keys,
        cipher=sure.chat.cipher,
    )
    weak = with_a_password(sure)
    for asked in (first, second):
        run = asked.run
        told = "".join(each.told for each in await sure.chat.events(sure.reader, run.id))
        assert sure.canary in told
        for after in (0, 3):
            with pytest.raises(StepUpRequired):
                await sure.chat.events(weak, run.id, after=after)
        for with_passages in (False, True):
            await explain_answer(caller=sure.reader, run_id=run.id, with_passages=with_passages)
            with pytest.raises(StepUpRequired):
                await explain_answer(caller=weak, run_id=run.id, with_passages=with_passages)
        shown = await answer_of(sure, sure.reader, asked)
        assert all(sure.canary in (each.content or "") for each in shown)
        hidden = await answer_of(sure, weak, asked)
        assert [(each.content, each.withheld) for each in hidden] == [(None, "second_factor")] * 2
        assert [each.withheld for each in shown] == [None, None]


async def test_what_demands_a_second_factor_is_no_history_without(sure: Scene) -> None:
    first = await sure.ask(QUESTION)
    follows = Follows(first.run.answer_id)
    sure.reader = with_a_password(sure)
    second = await sure.ask(AGAIN, first, position=follows)
    assert QUESTION in sure.model.given[-1]  # own words stay
    assert sure.canary not in sure.model.given[-1]
    told = await sure.chat.events(sure.reader, second.run.id)
    assert '"left_out":1' in next(each.told for each in told if each.type == "history")
    sure.reader = replace(sure.reader, acr=Acr.MFA)
    await sure.ask(AGAIN, first, position=follows)
    assert sure.canary in sure.model.given[-1]


async def test_what_demands_nothing_is_shown_to_every_session(scene: Scene) -> None:
    """Under another grant, and from documents of one's own."""
    scene.reader = replace(scene.reader, acr=Acr.MFA)
    shared = await scene.ask(QUESTION)
    owner = replace(scene.owner, acr=Acr.MFA)
    own = await scene.chat.ask(owner, None, QUESTION)
    await scene.chat.events(owner, own.run.id)
    for asked in (shared, own):
        weak = replace(asked.caller, acr=Acr.PASSWORD)
        told = "".join(each.told for each in await scene.chat.events(weak, asked.run.id))
        assert scene.canary in told
        shown = await answer_of(scene, weak, asked)
        assert all(scene.canary in (each.content or "") for each in shown)
        assert [each.withheld for each in shown] == [None, None]


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_whoever_follows_from_before_anything_was_found_is_stopped_there(
    sure: Scene, open_chat: OpenChat, elsewhere: bool
) -> None:
    held = Held(SearchedExcerpts(search=sure.library.container.search()))
    keyring = sure.library.container.key_service()
    options = {"keyring": keyring, "limits": AnswerLimits(history_tokens_max=4_000)}
    sure.model.pause_seconds = 30.0
    answering = await open_chat(sure.model, source=held, **options)
    asked = await answering.ask(sure.reader, None, QUESTION)
    read_at = sure.chat if elsewhere else answering
    run = {"run_id": asked.run.id, "after": 0}
    strong = await read_at.follow_run(caller=sure.reader, **run)
    weak = await read_at.follow_run(caller=with_a_password(sure), **run)
    assert (await anext(weak)).type == (await anext(strong)).type == "run_started"
    held.go.set()
    async with asyncio.timeout(10):
        while sure.canary not in (await anext(strong)).told:
            pass
        told = list[Event]()
        with pytest.raises(StepUpRequired):
            await keep(weak, told, without=sure.canary)
    assert "retrieval" not in [each.type for each in told]
    await strong.aclose()


async def test_what_comes_in_the_middle_of_a_look_is_read_with_what_it_demands(
    sure: Scene, open_chat: OpenChat, database: Database
) -> None:
    held = Held(SearchedExcerpts(search=sure.library.container.search()))
    keyring = sure.library.container.key_service()
    answering = await open_chat(sure.model, source=held, keyring=keyring)
    asked = await answering.ask(sure.reader, None, QUESTION)
    following = await answering.follow_run(caller=sure.reader, run_id=asked.run.id, after=0)
    assert (await anext(following)).number == 1
    await following.aclose()
    tenant, run = sure.reader.tenant_id, asked.run.id
    connection = await database.connect("postgres")
    try:
        async with asyncio.timeout(10), connection.transaction():
            await connection.execute("LOCK TABLE run_events")  # it reads the run, and then waits
            looking = asyncio.create_task(
                sure.chat.stored.page(with_a_password(sure), asked.run.id, after=1)
            )
            await somebody_waits(connection, "run_events")
            source = (sure.ref.document_id, sure.ref.version, uuid7(), sure.grant.id)
            await connection.execute(
                "INSERT INTO run_sources (tenant_id, run_id, document_id, version, release_id,"
                " grant_id) VALUES ($1, $2, $3, $4, $5, $6)",
                *(tenant, run, *source),
            )
            await connection.execute(
                "INSERT INTO run_events (tenant_id, run_id, number, type, sealed_data)"
                " VALUES ($1, $2, 2, 'text_delta', 'sealed')",
                *(tenant, run),
            )
        page = await looking
    finally:
        await connection.close()
    assert page is not None
    assert [each.number for each in page.events] == [2]
    assert page.run.required_acr is Acr.MFA


async def test_what_waited_for_its_turn_is_answered_as_with_a_password(sure: Scene) -> None:
    """Whose session asked it may be over by then."""
    sure.model.pause_seconds = 1.0
    first = await sure.chat.ask(sure.reader, None, QUESTION)
    second = await sure.chat.ask(
        sure.reader, first.run.conversation_id, AGAIN, when_busy=WhenBusy.QUEUE
    )
    assert second.run.state == "queued"
    told = await sure.chat.events(sure.reader, second.run.id)
    assert told[-1].type == "completed"
    assert sure.canary in sure.model.given[0]
    assert sure.canary not in sure.model.given[1]
    assert sure.canary not in "".join(each.told for each in told)
