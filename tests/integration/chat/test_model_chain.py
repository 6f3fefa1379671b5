"""The chain of models: who is tried, how often, after which pauses, and who is left alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from adapters.memory.scripted_model import ScriptedModel
from adapters.models.extractive import ExtractiveModel
from application.chat.answer_limits import AnswerLimits
from application.chat.language_model import (
    ModelBrokeOff,
    ModelFailed,
    ModelLimits,
    ModelLockedOut,
    ModelOverloaded,
    ModelRefused,
    ModelUnavailable,
    ModelUnreadable,
    Piece,
    Text,
)
from application.chat.model_chain import ModelUnknown
from domain.breaker import BreakerLimits, BreakerState
from domain.chat.answer import CLOSEST
from domain.chat.budget import Budget, Budgets
from domain.chat.event import text_of
from domain.chat.prompt import Prompt
from domain.identity import Caller, RunId
from tests.integration.chat.conftest import Chat, OpenChat, Shared, idle, scripted


@dataclass
class CountedModel:
    """Each call does the next thing; it remembers when it was called."""

    scripts: list[list[Piece | float | Exception]]
    name: str = "counted"
    marks_sources: bool = False
    is_metered: bool = True
    called_at: list[float] = field(default_factory=list)

    async def stream(self, prompt: Prompt, limits: ModelLimits) -> AsyncGenerator[Piece, None]:
        self.called_at.append(asyncio.get_running_loop().time())
        script = self.scripts[min(len(self.called_at), len(self.scripts)) - 1]
        async for piece in ScriptedModel(script=script).stream(prompt, limits):
            yield piece

    async def close(self) -> None:
        """There is nothing to release."""

    @property
    def pauses(self) -> list[float]:
        return [b - a for a, b in zip(self.called_at, self.called_at[1:], strict=False)]


WELL: list[Piece | float | Exception] = [Text("well")]
QUICK = AnswerLimits(pause_seconds=0.05, pause_seconds_max=0.3, attempts_max=3)


async def story(chat: Chat, caller: Caller, run_id: RunId) -> list[tuple[str, str, str]]:
    calls = [each.call for each in await chat.spending.of_run(caller, run_id)]
    return [(each.model, each.outcome, str(each.tokens.total > 0)) for each in calls]


async def asked(chat: Chat, caller: Caller, **options: str) -> tuple[RunId, list[tuple[str, str]]]:
    run = (await chat.ask(caller, **options)).run
    events = await chat.events(caller, run.id)
    told = [
        (each.type.value, json.loads(each.told))
        for each in events
        if each.type in ("fallback", "failed", "completed")
    ]
    return run.id, [(kind, said.get("reason") or said.get("code", "")) for kind, said in told]


async def test_when_every_model_is_down_the_passages_are_still_shown_and_labelled(
    open_chat: OpenChat, asha: Caller, share: Callable[..., Awaitable[Shared]]
) -> None:
    excerpt = (await share(asha, words="Cats sleep all day.")).excerpt
    chat = await open_chat(
        scripted(ModelUnavailable()), ExtractiveModel(), excerpts=[excerpt], limits=QUICK
    )
    run = (await chat.ask(asha, None, "Where do felines live?")).run
    events = await chat.events(asha, run.id)
    answer = "".join(text_of(each) for each in events if each.type == "text_delta")
    assert answer.startswith(f"{CLOSEST}\n\n“Cats sleep all day.”")
    assert [json.loads(each.told)["verified"] for each in events if each.type == "citation"] == [
        True
    ]


@pytest.mark.parametrize(
    ("failure", "calls"),
    [
        (ModelUnavailable(), 3),
        (ModelBrokeOff(), 3),
        (ModelOverloaded(), 3),
        (ModelOverloaded(rest_seconds=1), 1),  # longer than anybody waits here
        (ModelFailed(), 1),
        (ModelUnreadable(), 1),
        (ModelRefused(), 1),
        (ModelLockedOut(), 1),
    ],
)
async def test_what_may_pass_is_tried_again_and_what_will_not_is_not(
    open_chat: OpenChat, asha: Caller, failure: Exception, calls: int
) -> None:
    failing = CountedModel([[failure]])
    chat = await open_chat(failing, limits=QUICK)
    _, told = await asked(chat, asha)
    assert told == [("failed", failure.code)]  # type: ignore[attr-defined]
    assert len(failing.called_at) == calls
    assert all(pause <= 0.3 + 0.25 for pause in failing.pauses)


async def test_a_model_that_recovers_within_its_attempts_answers(
    open_chat: OpenChat, asha: Caller
) -> None:
    model = CountedModel([[ModelUnavailable()], [ModelBrokeOff()], WELL])
    chat = await open_chat(model, limits=QUICK)
    run_id, told = await asked(chat, asha)
    assert told == [("completed", "")]
    assert await story(chat, asha, run_id) == [
        ("counted", "model_unavailable", "False"),
        ("counted", "model_broke_off", "False"),
        ("counted", "answered", "True"),
    ]


async def test_nothing_is_tried_again_once_a_word_was_said(
    open_chat: OpenChat, asha: Caller
) -> None:
    model = CountedModel([[Text("half "), ModelUnavailable()], WELL])
    chat = await open_chat(model, scripted(Text("another")), limits=QUICK)
    run_id, told = await asked(chat, asha)
    assert told == [("failed", "model_unavailable")]
    assert await story(chat, asha, run_id) == [("m0", "model_unavailable", "True")]


async def test_pauses_are_not_in_step(open_chat: OpenChat, asha: Caller) -> None:
    models = [CountedModel([[ModelUnavailable()], WELL]) for _ in range(12)]
    limits = AnswerLimits(pause_seconds=0.2)
    for model in models:
        await asked(await open_chat(model, limits=limits), asha)
    pauses = sorted(model.pauses[0] for model in models)
    assert pauses[0] < 0.1 < pauses[-1]


async def test_a_model_that_fails_again_and_again_is_left_alone_then_tried_by_one(
    open_chat: OpenChat, asha: Caller
) -> None:
    broken = CountedModel([[ModelUnreadable()]] * 3 + [[0.3, Text("well")]])
    chat = await open_chat(broken, ScriptedModel(script=[Text("instead")], is_metered=False))
    (model, _) = chat.chain.models
    chat.answer.health.limits = BreakerLimits(failures_max=3, open_seconds=0.5)
    for _ in range(3):
        _, told = await asked(chat, asha)
        assert told == [("fallback", "model_unreadable"), ("completed", "")]
    assert chat.health.states()["m0"] is BreakerState.OPEN
    run_id, told = await asked(chat, asha)
    assert told == [("fallback", "model_resting"), ("completed", "")]
    assert await story(chat, asha, run_id) == [
        ("m0", "model_resting", "False"),
        ("m1", "answered", "False"),
    ]
    assert len(model.called_at) == 3  # type: ignore[attr-defined]
    await asyncio.sleep(0.6)
    assert chat.health.states()["m0"] is BreakerState.HALF_OPEN
    both = await asyncio.gather(asked(chat, asha), asked(chat, asha))
    assert sorted(len(told) for _, told in both) == [1, 2]  # one probes, the other falls back
    assert chat.health.states()["m0"] is BreakerState.CLOSED


async def test_a_probe_that_its_asker_gives_up_lets_the_next_one_probe(
    open_chat: OpenChat, asha: Caller
) -> None:
    model = CountedModel([[ModelUnavailable(rest_seconds=1)], [60.0], WELL])
    chat = await open_chat(model, limits=AnswerLimits(attempts_max=1))
    await asked(chat, asha)
    await asyncio.sleep(1.1)
    run = (await chat.ask(asha)).run
    await asyncio.sleep(0.2)
    await chat.cancel_run(caller=asha, run_id=run.id)
    await idle(chat)
    _, told = await asked(chat, asha)
    assert told == [("completed", "")]


async def test_the_model_that_is_asked_for_is_tried_first_and_then_those_after_it(
    open_chat: OpenChat, asha: Caller
) -> None:
    chat = await open_chat(
        scripted(Text("first")), scripted(ModelRefused()), scripted(Text("third"))
    )
    run_id, told = await asked(chat, asha, model="m1")
    assert told == [("fallback", "model_refused"), ("completed", "")]
    assert [each[:2] for each in await story(chat, asha, run_id)] == [
        ("m1", "model_refused"),
        ("m2", "answered"),
    ]
    with pytest.raises(ModelUnknown) as refused:
        await chat.ask(asha, model="nobody")
    assert refused.value.field == "/model"


async def test_a_model_without_a_price_is_not_called_where_money_is_limited(
    open_chat: OpenChat, asha: Caller
) -> None:
    model = CountedModel([WELL])
    budgets = Budgets(tenant=Budget(cost_micros_max=10**9))
    free = ScriptedModel(script=[Text("free")], is_metered=False)
    chat = await open_chat(model, free, budgets=budgets)
    unpriced, _ = chat.chain.models
    _, told = await asked(chat, asha)
    assert told == [("fallback", "model_price_unknown"), ("completed", "")]
    assert unpriced.called_at == []  # type: ignore[attr-defined]
