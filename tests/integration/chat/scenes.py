"""A document that was shared with a reader, who has asked about it; and what is kept of that."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any

import pytest

from adapters.identifiers import uuid7
from adapters.inprocess.excerpts import SearchedExcerpts
from adapters.postgres.person_erasure import PostgresPersonErasure
from application.chat.answer_limits import AnswerLimits
from application.chat.language_model import ModelLimits, Piece, Spent, Text
from application.chat.ports import AskedQuestion, SealedEvent
from application.chat.sealed_chat import SealedChat
from domain.chat.prompt import Prompt
from domain.consent.grant import Grant
from domain.identity import Action, Caller, MessageId, RunId, VersionRef
from tests.integration.canaries import canary as new_canary
from tests.integration.chat.conftest import Chat, OpenChat
from tests.integration.retrieval.library import Library

KEPT = ("messages", "run_events", "answer_manifests")


@dataclass
class Repeating:
    """`LanguageModel` that repeats all that it was given, and quotes it."""

    given: list[str] = field(default_factory=list)
    pause_seconds: float = 0.0
    name: str = "repeating"
    marks_sources: bool = True
    is_metered: bool = False

    async def stream(self, prompt: Prompt, limits: ModelLimits) -> AsyncGenerator[Piece, None]:
        everything = "\n".join(each.text for each in prompt.instructions)
        self.given.append(everything)
        for excerpt in prompt.excerpts:
            yield Text(f"“{excerpt.text}” [{excerpt.id}] ")
        yield Text(everything)
        if self.pause_seconds:
            await asyncio.sleep(self.pause_seconds)
        yield Spent(input_tokens=1, output_tokens=1)


@dataclass
class Scene:
    """A document of an owner's, shared with a reader who has asked about it."""

    library: Library
    chat: Chat
    model: Repeating
    owner: Caller
    reader: Caller
    ref: VersionRef
    grant: Grant
    canary: str

    async def ask(
        self, words: str, after: AskedQuestion | None = None, **options: Any
    ) -> AskedQuestion:
        conversation = None if after is None else after.run.conversation_id
        asked = await self.chat.ask(self.reader, conversation, words, **options)
        await self.chat.events(self.reader, asked.run.id)
        return asked

    async def kept(self, asked: AskedQuestion) -> Counter[str]:
        """In which tables, and how often, the canary is kept, once all is opened."""
        conversation_id = asked.run.conversation_id
        chat = SealedChat(
            cipher=self.chat.cipher,
            key=asked.key,
            tenant_id=self.reader.tenant_id,
            conversation_id=conversation_id,
        )
        given = {"conversation": conversation_id}
        found: Counter[str] = Counter(dict.fromkeys(KEPT, 0))
        for row in await self._rows(
            "SELECT id, sealed_content AS sealed FROM messages WHERE tenant_id = :tenant"
            " AND conversation_id = :conversation AND sealed_content IS NOT NULL",
            **given,
        ):
            found["messages"] += self.canary in chat.open_message(MessageId(row.id), row.sealed)
        of_runs = (
            "JOIN runs r ON r.tenant_id = k.tenant_id AND r.id = k.run_id"
            " WHERE k.tenant_id = :tenant AND r.conversation_id = :conversation"
        )
        for row in await self._rows(
            f"SELECT run_id, number, type, sealed_data FROM run_events k {of_runs}", **given
        ):
            sealed = SealedEvent(number=row.number, type=row.type, sealed=row.sealed_data)
            found["run_events"] += self.canary in chat.open_event(RunId(row.run_id), sealed).told
        for row in await self._rows(
            f"SELECT run_id, sealed_manifest FROM answer_manifests k {of_runs}", **given
        ):
            explained = chat.open_manifest(RunId(row.run_id), row.sealed_manifest)
            told = json.dumps([explained.manifest, dict(explained.passages)])
            found["answer_manifests"] += self.canary in told
        return found

    async def _rows(self, statement: str, **values: Any) -> list[Any]:
        return await self.chat.rows(self.reader, statement, **values)


@pytest.fixture
async def scene(library: Library, open_chat: OpenChat) -> Scene:
    owner, reader = await library.person(), await library.person()
    canary = new_canary()
    ref = await library.add(owner, f"The password of the harbour is {canary}.", title="Harbour")
    grant = await library.share(owner, ref, reader, purpose="research", actions=(Action.QUOTE,))
    model = Repeating()
    chat = await open_chat(
        model,
        source=SearchedExcerpts(search=library.container.search()),
        keyring=library.container.key_service(),
        limits=AnswerLimits(history_tokens_max=4_000),
    )
    return Scene(library, chat, model, owner, reader, ref, grant, canary)


async def withdraw(scene: Scene) -> None:
    withdraw_consent = scene.library.container.withdraw_consent()
    await withdraw_consent(caller=scene.owner, consent_id=scene.grant.consent_id)


async def erase(scene: Scene) -> None:
    erase_document = scene.library.container.erase_document()
    await erase_document(caller=scene.owner, document_id=scene.ref.document_id)


async def leave(scene: Scene) -> None:
    """The owner is erased, with all that is theirs."""
    erasure = PostgresPersonErasure(
        engine=scene.chat.engine, evidence=scene.library.container.evidence(), new_id=uuid7
    )
    assert await erasure.erase(scene.owner) is not None
