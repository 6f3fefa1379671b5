"""Asking, and reading what is answered: the events of one run as its reader gathers them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from entrypoints.cli.story.events import Event
from entrypoints.cli.story.live import writing
from entrypoints.cli.story.person import Person
from entrypoints.cli.story.stage import Stage

TERMINAL = ("completed", "cancelled", "failed", "access_revoked")


@dataclass(slots=True)
class Answer:
    """The events of a run so far."""

    conversation_id: str
    events: list[Event] = field(default_factory=list)

    @property
    def run_id(self) -> str:
        run_id: str = self.of("run_started")[0].told["run_id"]
        return run_id

    @property
    def text(self) -> str:
        return "".join(event.told["text"] for event in self.of("text_delta"))

    @property
    def excerpts(self) -> list[dict[str, Any]]:
        return [each for event in self.of("retrieval") for each in event.told["excerpts"]]

    @property
    def citations(self) -> list[dict[str, Any]]:
        return [event.told for event in self.of("citation")]

    @property
    def frames(self) -> bytes:
        return b"".join(event.frame for event in self.events)

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.type == kind]


@asynccontextmanager
async def asking(
    person: Person, question: str, purpose: str | None = None
) -> AsyncIterator[tuple[Answer, AsyncIterator[Event]]]:
    """A new conversation with this question, and the events of the answer as they come."""
    conversation = await person.post("/v1/conversations", {}, status=201)
    answer = Answer(conversation_id=conversation["id"])
    body = {"content": question} | ({"purpose": purpose} if purpose else {})
    path = f"/v1/conversations/{answer.conversation_id}/messages"
    async with person.stream("POST", path, body=body) as events:
        yield answer, gathered(answer, events)


async def asked(stage: Stage, person: Person, question: str, purpose: str | None = None) -> Answer:
    """The whole answer, shown while it was written."""
    async with asking(person, question, purpose) as (answer, events):
        await shown(stage, events)
    return answer


async def gathered(answer: Answer, events: AsyncIterator[Event]) -> AsyncIterator[Event]:
    async for event in events:
        answer.events.append(event)
        yield event


async def shown(
    stage: Stage, events: AsyncIterator[Event], *, words_max: int | None = None
) -> None:
    """Writes the answer as it comes, up to its end or until that many pieces were written."""
    pieces = 0
    with writing(stage) as write:
        async for event in events:
            if event.type == "text_delta":
                write(event.told["text"])
                pieces += 1
            if event.type in TERMINAL or pieces == words_max:
                return


def check_numbers(stage: Stage, answer: Answer) -> None:
    numbers = [event.number for event in answer.events]
    whole = list(range(1, len(numbers) + 1))
    stage.check(
        f"its {len(numbers)} events are numbered without a gap", expected=whole, seen=numbers
    )


async def tombstone_of(person: Person, conversation_id: str) -> dict[str, Any]:
    """What is left of the answer in a conversation of one question: its message."""
    page = await person.get(f"/v1/conversations/{conversation_id}/messages")
    message: dict[str, Any] = page["items"][-1]
    return {name: message[name] for name in ("role", "content", "tombstone")}
