"""Which models a tenant has chosen: in which order they are tried, and what that costs at most."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from adapters.memory.scripted_model import ScriptedModel
from application.chat.language_model import ModelRefused, Text
from application.chat.model_chain import ModelUnknown
from domain.chat.model_choice import ChainIsKeptByAdministrators, ChainNotUsable, TaskUnknown
from domain.chat.price import Price, PriceTable
from domain.chat.run import WhenBusy
from domain.identity import OPERATOR, Caller, Role, RunId
from tests.integration.chat.conftest import Chat, OpenChat, scripted

QUOTING = ScriptedModel(script=[Text("quoted")], is_metered=False)


def prices(**by_model: int) -> PriceTable:
    """Of a million tokens read, in euros."""
    since, free = date(2020, 1, 1), Decimal(0)
    each = [
        Price(model=name, since=since, input=Decimal(price), output=free)
        for name, price in by_model.items()
    ]
    return PriceTable(currency="EUR", prices=each)


async def choose(chat: Chat, caller: Caller, *models: str) -> None:
    admin = replace(caller, person_id=OPERATOR, role=Role.ADMIN)
    await chat.choose_models(caller=admin, task="answer", models=models)


async def told(chat: Chat, caller: Caller, run_id: RunId) -> tuple[list[tuple[str, ...]], str]:
    """Who took over from whom and why, and the answer."""
    events = [(each.type, json.loads(each.told)) for each in await chat.events(caller, run_id)]
    fallbacks = [
        (said["from"], said["to"], said["reason"]) for kind, said in events if kind == "fallback"
    ]
    return fallbacks, "".join(said["text"] for kind, said in events if kind == "text_delta")


async def answered(chat: Chat, caller: Caller, **options: str) -> tuple[list[tuple[str, ...]], str]:
    return await told(chat, caller, (await chat.ask(caller, **options)).run.id)


async def reserved(chat: Chat, caller: Caller, run_id: RunId) -> int | None:
    rows = await chat.rows(
        caller, "SELECT cost_micros FROM reservations WHERE run_id = :run", run=run_id
    )
    return rows[0].cost_micros if rows else None


async def test_a_tenants_models_are_tried_in_its_order_by_every_process_and_no_others(
    open_chat: OpenChat, asha: Caller
) -> None:
    models = (scripted(Text("zero")), scripted(Text("one")), scripted(ModelRefused()), QUOTING)
    here, there = await open_chat(*models), await open_chat(*models)
    assert await answered(there, asha) == ([], "zero")
    await choose(here, asha, "m2", "m1")
    for chat in (here, there):
        assert await answered(chat, asha) == ([("m2", "m1", "model_refused")], "one")
    await choose(there, asha, "m2")
    assert await answered(here, asha) == ([("m2", "m3", "model_refused")], "quoted")
    await choose(there, asha)
    assert await answered(here, asha) == ([], "quoted")
    admin = replace(asha, person_id=OPERATOR, role=Role.ADMIN)
    await here.choose_models(caller=admin, task="answer", models=None)
    assert await answered(there, asha) == ([], "zero")


async def test_who_names_a_model_gets_it_and_those_after_it_of_the_tenants_chain(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat(
        scripted(Text("zero")), scripted(ModelRefused()), scripted(Text("two")), QUOTING
    )
    await choose(chat, asha, "m2", "m1")
    assert await answered(chat, asha, model="m1") == ([("m1", "m3", "model_refused")], "quoted")
    for unchosen in ("m0", "nobody"):
        with pytest.raises(ModelUnknown):
            await chat.ask(asha, model=unchosen)


async def test_a_model_that_is_not_configured_any_more_is_skipped_and_the_run_says_so(
    open_chat: OpenChat, asha: Caller
) -> None:
    before = await open_chat(scripted(), scripted(Text("gone")), scripted(), QUOTING)
    await choose(before, asha, "m1", "m0")
    after = await open_chat(scripted(Text("still here")), replace(QUOTING))
    # There `m1` is what quotes: named by nobody, it is the last and nothing else.
    assert await answered(after, asha) == ([], "still here")
    await choose(before, asha, "m2", "m0")
    assert await answered(after, asha) == ([("m2", "m0", "model_not_in_use")], "still here")
    with pytest.raises(ModelUnknown):
        await after.ask(asha, model="m2")


async def test_a_question_that_waited_follows_the_chain_of_when_its_turn_comes(
    open_chat: OpenChat, asha: Caller
) -> None:
    go = asyncio.Event()
    chat = await open_chat(
        scripted(go, Text("cheap")), scripted(Text("dear")), QUOTING,
        prices=prices(m0=1, m1=100), queue_topic="chosen models",
    )  # fmt: skip
    await choose(chat, asha, "m0")
    conversation_id = await chat.conversation(asha)
    running = await chat.ask(asha, conversation_id)
    waiting = await chat.ask(asha, conversation_id, when_busy=WhenBusy.QUEUE)
    await choose(chat, asha, "m1")
    go.set()
    assert (await told(chat, asha, running.run.id))[1] == "cheap"
    fallbacks, answer = await told(chat, asha, waiting.run.id)
    assert answer == "quoted"
    assert fallbacks == [("m0", "m1", "model_not_in_use"), ("m1", "m2", "model_not_reserved")]
    assert await answered(chat, asha) == ([], "dear")


async def test_what_is_reserved_is_what_the_dearest_of_the_tenants_models_may_take(
    open_chat: OpenChat, asha: Caller
) -> None:
    go = asyncio.Event()
    slow = scripted(go, Text("yes"))
    chat = await open_chat(slow, slow, slow, QUOTING, prices=prices(m0=1, m1=100, m2=10))
    taken = []
    for models in (("m0",), ("m2", "m0"), ("m0", "m1", "m2"), ()):
        await choose(chat, asha, *models)
        taken.append(await reserved(chat, asha, (await chat.ask(asha)).run.id))
    cheapest, *others = taken
    assert cheapest
    assert others == [10 * cheapest, 100 * cheapest, None]
    go.set()


async def test_only_what_can_be_tried_is_chosen_and_only_by_administrators(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat(scripted(Text("zero")), scripted(), QUOTING)
    admin = replace(asha, role=Role.ADMIN)
    with pytest.raises(ChainNotUsable) as wrong:
        await chat.choose_models(
            caller=admin, task="answer", models=["m1", "unknown", "m2", "m0", "m1"]
        )
    assert [each.pointer for each in wrong.value.faults] == ["/models/1", "/models/2", "/models/4"]
    with pytest.raises(TaskUnknown):
        await chat.choose_models(caller=admin, task="dance", models=["m0"])
    for role in (Role.MEMBER, Role.AUDITOR):
        with pytest.raises(ChainIsKeptByAdministrators):
            await chat.choose_models(caller=replace(asha, role=role), task="answer", models=["m1"])
    assert await chat.rows(asha, "SELECT * FROM model_chains WHERE tenant_id = :tenant") == []
    assert await answered(chat, asha) == ([], "zero")


async def test_each_change_is_in_the_log_and_none_where_nothing_changed(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat(scripted(), QUOTING)
    admin = replace(asha, person_id=OPERATOR, role=Role.ADMIN)
    await chat.choose_models(caller=admin, task="answer", models=None)
    await choose(chat, asha, "m0")
    await chat.choose_models(caller=admin, task="answer", models=None)
    logged = await chat.rows(
        asha,
        "SELECT CAST(b.body AS text) AS body FROM audit_events e"
        " JOIN audit_bodies b ON b.tenant_id = e.tenant_id AND b.event_id = e.id"
        " WHERE e.tenant_id = :tenant AND e.type = 'models_chosen' ORDER BY e.at",
    )
    assert [json.loads(each.body) for each in logged] == [
        {"task": "answer", "models": ["m0"]},
        {"task": "answer", "models": None},
    ]
