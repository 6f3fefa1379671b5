"""A whole chat on a real PostgreSQL: everything but the search is what production runs."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.encryption.boxes import HpkeBoxes
from adapters.encryption.canonical_json import canonical_json
from adapters.encryption.cipher import AesGcmCipher
from adapters.encryption.keyring import LocalKeyring
from adapters.identifiers import uuid7
from adapters.inprocess.run_executor import RunExecutor
from adapters.memory.excerpts import MemoryExcerpts
from adapters.memory.rate_limits import MemoryRateLimits
from adapters.memory.scripted_model import ScriptedModel
from adapters.postgres.audit_probe import PostgresAuditProbe
from adapters.postgres.chat import PostgresChats
from adapters.postgres.engine import APPLICATION, Database, transaction
from adapters.postgres.evidence import PostgresEvidence
from adapters.postgres.key_chain import KeyChain
from adapters.postgres.keys import PostgresKeys, PostgresOwnKeys
from adapters.postgres.model_choices import PostgresModelChoices
from adapters.postgres.purposes import PostgresPurposes
from adapters.postgres.run_events import PostgresRunEvents
from adapters.postgres.run_writer import PostgresRunWriter
from adapters.postgres.signals import PostgresSignals
from adapters.postgres.spending import PostgresSpending
from adapters.telemetry.model_meter import PrometheusModelMeter
from application.chat.answer_again import AnswerAgain
from application.chat.answer_limits import AnswerLimits
from application.chat.answer_question import AnswerQuestion
from application.chat.ask_question import PER_PERSON, AskQuestion, QueueLimits
from application.chat.cancel_run import CancelRun
from application.chat.choose_models import ChooseModels
from application.chat.delete_conversation import DeleteConversation
from application.chat.end_queued_run import EndQueuedRun
from application.chat.fail_abandoned_runs import FailAbandonedRuns
from application.chat.follow_run import FollowRun
from application.chat.guardrails import Guardrails
from application.chat.language_model import LanguageModel, Spent, Text
from application.chat.live_runs import LiveRuns
from application.chat.model_chain import ModelChain
from application.chat.model_choices import ChainOf
from application.chat.model_health import ModelHealth
from application.chat.ports import AskedQuestion, ExcerptSource
from application.chat.read_conversations import ReadConversations
from application.chat.reserve_answer import ReserveAnswer
from application.chat.select_branch import SelectBranch
from application.chat.settle_calls import SettleCalls
from application.chat.shared_looks import SharedLooks
from application.chat.start_conversation import StartConversation
from application.chat.start_queued_runs import StartQueuedRuns
from application.consent.name_purpose import NamePurpose
from application.ports import Idempotency
from application.vault.key_service import KeyService
from domain.chat.branch import Position
from domain.chat.budget import Budgets
from domain.chat.event import Event
from domain.chat.excerpt import Excerpt
from domain.chat.price import PriceTable
from domain.chat.question import Question
from domain.chat.run import WhenBusy
from domain.consent.decision import POLICY_VERSION
from domain.identity import (
    Caller,
    ConversationId,
    DocumentId,
    GrantId,
    Purpose,
    ReleaseId,
    RunId,
    TenantId,
    VersionRef,
)
from entrypoints.background import beside
from entrypoints.worker.sweeper import Sweeper
from tests.integration.http.conftest import serve as serve  # these are fixtures
from tests.integration.retrieval.conftest import library as library
from tests.integration.retrieval.conftest import retrieval_container as retrieval_container

WORDS = [Text(f"word{number} ") for number in range(20)]


def scripted(*script: Any, pause_seconds: float = 0.0) -> ScriptedModel:
    return ScriptedModel(
        script=[*(script or WORDS), Spent(input_tokens=1, output_tokens=2)],
        pause_seconds=pause_seconds,
    )


def excerpt_of(
    document_id: DocumentId, *, grant_id: GrantId | None, words: str = "Cats sleep all day."
) -> Excerpt:
    return Excerpt(
        id="e1",
        version=VersionRef(document_id=document_id, version=1),
        start=0,
        end=len(words.encode()),
        title="Cats",
        text=words,
        score=1.0,
        release_id=ReleaseId(uuid7()),
        grant_id=grant_id,
    )


@dataclass
class Chat:
    """One process that serves chats. A second one on the same database is another process."""

    engine: AsyncEngine
    database: Database
    keyring: KeyService
    models: Sequence[LanguageModel]
    excerpts: Sequence[Excerpt] = ()
    source: ExcerptSource | None = None
    guardrails: Guardrails = field(default_factory=Guardrails)
    limits: AnswerLimits = field(default_factory=AnswerLimits)
    lease_seconds: float = 30.0
    prices: PriceTable = field(default_factory=lambda: PriceTable(currency="USD", prices=[]))
    budgets: Budgets = field(default_factory=Budgets)
    queue: QueueLimits = field(default_factory=QueueLimits)
    queue_topic: str = "queue"
    question_rate: str = "100000/minute"

    def __post_init__(self) -> None:
        cipher = self.cipher = AesGcmCipher()
        keys = PostgresKeys(chain=KeyChain(root=self.keyring, cipher=cipher), new_id=uuid7)
        log_writable = PostgresAuditProbe(engine=self.engine)
        self.own_keys = PostgresOwnKeys(engine=self.engine, keys=keys)
        self.signals = PostgresSignals(self.database)
        self.chats = PostgresChats(engine=self.engine, keys=keys)
        self.live = LiveRuns()
        self.writer = PostgresRunWriter(
            engine=self.engine,
            signals=self.signals,
            live=self.live,
            cipher=cipher,
            lease_seconds=self.lease_seconds,
        )
        self.chain = ModelChain(models=self.models, prices=self.prices, budgets=self.budgets)
        evidence = PostgresEvidence(
            engine=self.engine, keys=keys, boxes=HpkeBoxes(), canonical=canonical_json
        )
        purposes = PostgresPurposes(engine=self.engine, evidence=evidence, new_id=uuid7)
        self.name_purpose = NamePurpose(purposes=purposes)
        choices = PostgresModelChoices(engine=self.engine, evidence=evidence, new_id=uuid7)
        chain_of = ChainOf(deployment=self.chain, choices=choices)
        self.choose_models = ChooseModels(deployment=self.chain, choices=choices)
        self.spending = PostgresSpending(engine=self.engine, currency=self.prices.currency)
        self.meter = PrometheusModelMeter()
        self.health = ModelHealth()
        self.answer = AnswerQuestion(
            chats=self.chats,
            excerpts=self.source or MemoryExcerpts(excerpts=self.excerpts),
            chain_of=chain_of,
            health=self.health,
            spending=self.spending,
            settle_calls=SettleCalls(spending=self.spending, meter=self.meter),
            guardrails=self.guardrails,
            cipher=cipher,
            limits=self.limits,
            chance=random.random,
            policy_version=POLICY_VERSION,
        )
        self.executor = RunExecutor(answer=self.answer, logs=self.writer)
        stored = self.stored = PostgresRunEvents(engine=self.engine)
        shared = {"chats": self.chats, "own_keys": self.own_keys, "cipher": cipher}
        self.start_conversation = StartConversation(
            chats=self.chats, log_writable=log_writable, cipher=cipher, new_id=uuid7
        )
        self.ask_question = AskQuestion(
            starter=self.executor,
            new_id=uuid7,
            chain_of=chain_of,
            reserve_answer=ReserveAnswer(limits=self.limits, spending=self.spending),
            rates=MemoryRateLimits({PER_PERSON: self.question_rate}),
            queue=self.queue,
            **shared,
        )
        self.follow_run = FollowRun(
            looks=SharedLooks(stored=stored), live=self.live, signals=self.signals, **shared
        )
        self.answer_again = AnswerAgain(ask_question=self.ask_question, **shared)
        self.select_branch = SelectBranch(chats=self.chats)
        end_queued_run = EndQueuedRun(**shared)
        self.cancel_run = CancelRun(chats=self.chats, end_queued_run=end_queued_run)
        self.start_queued_runs = StartQueuedRuns(
            stored=stored, starter=self.executor, end_queued_run=end_queued_run, **shared
        )
        self.delete_conversation = DeleteConversation(
            chats=self.chats, log_writable=log_writable, endings_kept=_nowhere
        )
        self.read = ReadConversations(**shared)
        self.fail_abandoned_runs = FailAbandonedRuns(stored=stored, **shared)

    async def conversation(self, caller: Caller) -> ConversationId:
        return (await self.start_conversation(caller=caller)).id

    async def ask(
        self,
        caller: Caller,
        conversation_id: ConversationId | None = None,
        words: str = "What do cats do?",
        *,
        key: str | None = None,
        purpose: str = "research",
        model: str | None = None,
        position: Position | None = None,
        when_busy: WhenBusy = WhenBusy.REFUSE,
        document_ids: frozenset[DocumentId] | None = None,
    ) -> AskedQuestion:
        idempotency = key and Idempotency(
            route="ask", key=key, request_hash=words.encode().ljust(32)[:32]
        )
        return await self.ask_question(
            caller=caller,
            conversation_id=conversation_id or await self.conversation(caller),
            question=Question(text=words, purpose=Purpose(purpose), document_ids=document_ids),
            position=position,
            when_busy=when_busy,
            model=model,
            idempotency=idempotency or None,
        )

    async def events(self, caller: Caller, run_id: RunId, *, after: int = 0) -> list[Event]:
        async with asyncio.timeout(20):
            following = await self.follow_run(caller=caller, run_id=run_id, after=after)
            return [event async for event in following]

    async def rows(self, caller: Caller, statement: str, **values: object) -> list[Any]:
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            values["tenant"] = caller.tenant_id
            return list((await connection.execute(text(statement), values)).all())


OpenChat = Callable[..., Any]


async def _nowhere() -> None:
    """Endings are kept by the running program; here the database alone is looked at."""


async def _nobody_waits(chat: Chat) -> None:
    """Questions that other tests have left waiting are not begun in this one."""
    while waiting := await chat.stored.waiting():
        for each in waiting:
            await chat.rows(
                each.caller,
                "UPDATE runs SET state = 'cancelled', ended_at = now()"
                " WHERE tenant_id = :tenant AND id = :run RETURNING 1",
                run=each.run_id,
            )


async def idle(chat: Chat) -> None:
    """Every run of this process has ended, and is recorded."""
    await until(lambda: chat.executor.running == 0)


async def until(condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while True:
            if condition():
                return
            await asyncio.sleep(0.005)


@pytest.fixture(scope="session")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> LocalKeyring:
    return LocalKeyring.open(tmp_path_factory.mktemp("keyring") / "keyring.json")


@pytest.fixture
async def open_chat(
    engine: AsyncEngine, database: Database, keyring: LocalKeyring
) -> AsyncIterator[OpenChat]:
    """`await open_chat(model, ...)`: a process that serves chats, until the test ends."""
    async with AsyncExitStack() as stack:

        @asynccontextmanager
        async def serving(chat: Chat) -> AsyncIterator[Chat]:
            async with chat.signals.listening():
                await until(lambda: chat.signals.connected)
                queue = Sweeper(
                    chores={"queued_runs": chat.start_queued_runs},
                    every_seconds=1,
                    signals=chat.signals,
                    topic=chat.queue_topic,
                )
                async with beside(queue.run(), name="queue"):
                    yield chat
                await chat.executor.drain(0)

        opened: list[Chat] = []

        async def open_one(*models: Any, **options: Any) -> Chat:
            if len(models) > 1:
                models = tuple(replace(each, name=f"m{n}") for n, each in enumerate(models))
            chat = Chat(
                options.pop("engine", engine),
                database,
                options.pop("keyring", keyring),
                models or (scripted(),),
                **options,
            )
            if not opened:
                await _nobody_waits(chat)
            opened.append(chat)
            return await stack.enter_async_context(serving(chat))

        yield open_one


@pytest.fixture
async def asha(tenant_id: TenantId, caller_in: Callable[[TenantId], Awaitable[Caller]]) -> Caller:
    return await caller_in(tenant_id)


@dataclass
class Shared:
    """A document of somebody's, and the grant under which Asha may quote it."""

    owner: Caller
    document_id: DocumentId
    grant_id: GrantId
    excerpt: Excerpt


@pytest.fixture
def share(
    database: Database, caller_in: Callable[[TenantId], Awaitable[Caller]]
) -> Callable[..., Awaitable[Shared]]:
    """`await share(asha)`: written straight into the tables, for the chat's own tests."""

    async def make(grantee: Caller, *, days: float = 1.0, words: str = "Cats sleep.") -> Shared:
        owner = await caller_in(grantee.tenant_id)
        document, grant, consent = uuid7(), uuid7(), uuid7()
        connection = await database.connect(APPLICATION)
        tenant = UUID(str(grantee.tenant_id))
        try:
            async with connection.transaction():
                await connection.execute("SELECT set_config('app.tenant', $1, true)", str(tenant))
                await connection.execute(
                    "INSERT INTO documents (tenant_id, id, owner_id, current_version, index_mode,"
                    " audit_mode, sealed_metadata, created_at, updated_at)"
                    " VALUES ($1, $2, $3, 1, 'clear', 'committed', '', now(), now())",
                    tenant,
                    document,
                    owner.person_id,
                )
                await connection.execute(
                    "INSERT INTO notices VALUES ($1, $2, 'en', 'notice')", tenant, consent.bytes
                )
                await connection.execute(
                    "INSERT INTO consents VALUES ($1, $2, $3, $4, $5, $6, now())",
                    tenant,
                    consent,
                    owner.person_id,
                    grantee.person_id,
                    consent.bytes,
                    json.dumps({}),
                )
                await connection.execute(
                    "INSERT INTO grants (tenant_id, id, consent_id, grantor_id, grantee_id,"
                    " resource_kind, resource_id, actions, purpose, not_before, expires_at,"
                    " created_at) VALUES ($1, $2, $3, $4, $5, 'document', $6, '{quote}',"
                    " 'research', now(), now() + make_interval(secs => $7), now())",
                    tenant,
                    grant,
                    consent,
                    owner.person_id,
                    grantee.person_id,
                    document,
                    days * 86_400,
                )
        finally:
            await connection.close()
        excerpt = excerpt_of(DocumentId(document), grant_id=GrantId(grant), words=words)
        return Shared(owner, DocumentId(document), GrantId(grant), excerpt)

    return make
