"""What one scene leaves behind for the next: the people, their documents, what was agreed."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from entrypoints.cli.story.answers import Answer
from entrypoints.cli.story.instance import Instance
from entrypoints.cli.story.person import Person, signed_in, signed_up
from entrypoints.cli.story.stage import Stage

PURPOSE = "care"
SHARED = "Laboratory report"
QUESTION = "What does the laboratory say about iron, ferritin and vitamin D?"


@dataclass(slots=True, kw_only=True)
class Plot:
    """Filled in by the scenes in their order; `devices` signs people in, and out at the end."""

    stage: Stage
    instance: Instance
    devices: AsyncExitStack
    asha: Person = field(init=False)
    ben: Person = field(init=False)
    documents: dict[str, str] = field(default_factory=dict)
    checkpoint: str = field(init=False)
    answer: Answer = field(init=False)
    grant: dict[str, Any] = field(init=False)

    @property
    def shared(self) -> str:
        """The id of the document that the story turns on."""
        return self.documents[SHARED]

    def title_of(self, document_id: str) -> str:
        return next(title for title, each in self.documents.items() if each == document_id)

    async def sign_up(self, name: str, email: str) -> Person:
        return await self.devices.enter_async_context(signed_up(self.instance.url, name, email))

    async def another_device(self, person: Person) -> Person:
        return await self.devices.enter_async_context(signed_in(self.instance.url, person.email))
