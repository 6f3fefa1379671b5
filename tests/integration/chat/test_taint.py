"""Withdrawal and erasure reach all that was made from what is gone, wherever it was kept.

What is kept of a chat is sealed, so that looking for words in a dump finds nothing at any time.
Here everything is opened that the conversation's key opens, and looked through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from adapters.postgres.engine import Database, transaction
from domain.chat.run import AnswerWithdrawn
from domain.identity import Action
from tests.integration.chat.conftest import idle
from tests.integration.chat.scenes import KEPT, Scene, erase, leave, withdraw
from tests.integration.chat.scenes import scene as scene  # a fixture

TakeBack = Callable[[Scene], Awaitable[None]]
WAYS = pytest.mark.parametrize("take_back", [withdraw, erase, leave])


@WAYS
async def test_nothing_is_kept_of_what_is_gone(
    scene: Scene, take_back: TakeBack, figure: Callable[[str], None]
) -> None:
    first = await scene.ask("What is the password of the harbour?")
    second = await scene.ask("Say that again, please, all of it.", first)
    before = await scene.kept(first)
    assert all(before[table] >= 2 for table in KEPT), before
    await take_back(scene)
    after = await scene.kept(first)
    left = f"{after.total()} of {before.total()}"
    figure(f"{take_back.__name__}: {left} places still hold the canary")
    assert after.total() == 0, after
    for asked in (first, second):
        with pytest.raises(AnswerWithdrawn):
            await scene.chat.follow_run(caller=scene.reader, run_id=asked.run.id, after=0)


@WAYS
async def test_no_later_prompt_carries_what_is_gone(scene: Scene, take_back: TakeBack) -> None:
    first = await scene.ask("What is the password of the harbour?")
    await scene.ask("Say that again, please, all of it.", first)
    assert scene.canary in scene.model.given[-1]
    assert scene.model.given[-1].count(scene.canary) > scene.model.given[0].count(scene.canary)
    await take_back(scene)
    later = await scene.ask("What was it, once more, that you said about it?", first)
    assert "Say that again, please, all of it." in scene.model.given[-1]  # own words stay
    assert scene.canary not in scene.model.given[-1]
    assert (await scene.kept(later)).total() == 0


async def test_an_answer_goes_with_either_of_the_grants_that_it_rests_on(scene: Scene) -> None:
    """Later answers were given the document under one, and earlier answers under the other."""
    given: dict[str, Any] = {"purpose": "research", "actions": (Action.QUOTE,)}
    share = partial(scene.library.share, scene.owner, scene.ref, scene.reader, **given)
    await withdraw(scene)
    scene.grant = await share(max_uses=1)
    first = await scene.ask("What is the password of the harbour?")
    await share()
    second = await scene.ask("Say that again, please, all of it.", first)
    grants = await scene.chat.rows(
        scene.reader,
        "SELECT grant_id FROM run_sources WHERE tenant_id = :tenant AND run_id = :run",
        run=second.run.id,
    )
    assert len(grants) == 2
    third = await scene.ask("And all of that, once more, please.", second)
    await withdraw(scene)  # the first grant alone
    for asked in (second, third):
        assert (await scene.kept(asked)).total() == 0


async def test_what_was_answered_for_one_purpose_is_no_history_for_another(scene: Scene) -> None:
    first = await scene.ask("What is the password of the harbour?")
    await scene.ask("Say that again, please, all of it.", first)
    assert scene.canary in scene.model.given[-1]
    await scene.ask("And now for another end: say it again.", first, purpose="marketing")
    assert "Say that again, please, all of it." in scene.model.given[-1]  # own words stay
    assert scene.canary not in scene.model.given[-1]


@WAYS
async def test_what_is_being_written_and_shown_goes_from_memory_too(
    scene: Scene, take_back: TakeBack
) -> None:
    scene.model.pause_seconds = 30.0
    asked = await scene.chat.ask(scene.reader, None, "What is the password of the harbour?")
    following = await scene.chat.follow_run(caller=scene.reader, run_id=asked.run.id, after=0)
    while scene.canary not in (event := await anext(following)).told:
        assert not event.type.is_terminal
    live = scene.chat.live.find(asked.run.id)
    assert live is not None
    assert any(scene.canary in each.told for each in live.after(0) or ())
    await take_back(scene)
    async with asyncio.timeout(2):
        rest = [event async for event in following]  # what was on its way, and then the end
    assert rest[-1].type == "access_revoked"
    assert live.after(0) is None
    await following.aclose()
    await idle(scene.chat)
    assert (await scene.kept(asked)).total() == 0


async def test_a_repeated_request_brings_nothing_back(scene: Scene) -> None:
    asked = await scene.ask("What is the password of the harbour?", key="again")
    await withdraw(scene)
    again = await scene.chat.ask(
        scene.reader, asked.run.conversation_id, "What is the password of the harbour?", key="again"
    )
    assert again.run.id == asked.run.id
    assert again.run.state == "access_revoked"
    with pytest.raises(AnswerWithdrawn):
        await scene.chat.follow_run(caller=scene.reader, run_id=again.run.id, after=0)


async def test_after_an_erasure_no_table_holds_a_word_of_it(
    scene: Scene, database: Database
) -> None:
    asked = await scene.ask("What is the password of the harbour?")
    assert set(await _tables_with(database, scene.canary)) == {"postings"}  # in mode `clear`
    await erase(scene)
    assert await _tables_with(database, scene.canary) == {}
    assert (await scene.kept(asked)).total() == 0


async def test_a_tombstone_beside_what_it_stands_for_is_refused(scene: Scene) -> None:
    """Whoever writes another way of taking answers back, and forgets a table, is told at once."""
    asked = await scene.ask("What is the password of the harbour?")
    hide = (
        "UPDATE messages SET sealed_content = NULL, tombstone = 'x'"
        " WHERE tenant_id = :tenant AND id = :id"
    )
    forgotten = {
        "answer_manifests": "DELETE FROM run_events WHERE tenant_id = :tenant AND run_id = :run",
        "run_events": "DELETE FROM answer_manifests WHERE tenant_id = :tenant AND run_id = :run",
    }
    values = {
        "tenant": scene.reader.tenant_id,
        "id": asked.run.answer_id,
        "run": asked.run.id,
    }

    async def take_back_half(delete: str) -> None:
        async with transaction(scene.chat.engine, scene.reader.tenant_id) as connection:
            await connection.execute(text(hide), values)
            await connection.execute(text(delete), values)

    for table, delete in forgotten.items():
        with pytest.raises(IntegrityError, match="leaves nothing behind"):
            await take_back_half(delete)
        assert (await scene.kept(asked))[table] > 0


async def _tables_with(database: Database, word: str) -> dict[str, int]:
    """Every table, read past all rules, with the rows that hold a word: as text, or as bytes."""
    connection = await database.connect("postgres")
    try:
        names = await connection.fetch(
            "SELECT c.oid::regclass::text AS name FROM pg_class c"
            " WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace"
        )
        assert len(names) > 30
        found = {}
        for name in (row["name"] for row in names):
            rows = await connection.fetchval(
                f"SELECT count(*) FROM {name} t"
                " WHERE strpos(t::text, $1) > 0 OR strpos(t::text, $2) > 0",
                word,
                word.encode().hex(),
            )
            if rows:
                found[name] = rows
        return found
    finally:
        await connection.close()
