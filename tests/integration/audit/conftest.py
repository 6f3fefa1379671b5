"""A tenant with a document that is really released, and the log put together as in production."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from litestar.di import Provide
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.encryption.canonical_json import canonical_json
from adapters.encryption.signatures import ed25519_verify
from adapters.inprocess.log_signer import KeyServiceLogSigner
from adapters.postgres.audit import PostgresLog
from adapters.postgres.audit_trail import PostgresAuditTrail
from adapters.postgres.engine import Database
from application.audit.accept_cosignatures import AcceptCosignatures
from application.audit.bundle_accesses import BundleAccesses
from application.audit.integrate_entries import IntegrateEntries
from application.audit.list_accesses import ListAccesses
from application.audit.list_denials import ListDenials
from application.audit.promise_entry import PromiseEntry
from application.audit.prove_checkpoint import ProveCheckpoint
from application.audit.prove_consistency import ProveConsistency
from application.audit.prove_entry import ProveEntry
from application.ports import Release
from domain.audit.checkpoint import Checkpoint, log_name, open_checkpoint
from domain.audit.cosignature import WitnessKey
from domain.audit.note import VerifierKey
from domain.identity import PERSONAL_USE, Action, Caller, PersonId, Role, TenantId
from domain.vault.document import Document
from entrypoints.container import Container
from entrypoints.http.accesses import AccessesController
from entrypoints.http.audit import AuditController
from entrypoints.http.audit_tiles import TilesController
from entrypoints.http.checkpoints import LogOfCheckpointsController, prove_checkpoint
from entrypoints.http.pages import Cursors
from tests.integration.conftest import add_text
from tests.integration.http import conftest as over_http

serve = over_http.serve
CallerIn = Callable[[TenantId], Awaitable[Caller]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestedLog:
    """One tenant's log, its owner's document, and what integrates and proves it."""

    __test__ = False

    container: Container
    database: Database
    owner: Caller
    document: Document
    integrate: IntegrateEntries
    trail: PostgresAuditTrail
    key: VerifierKey
    within: timedelta = timedelta(seconds=60)
    witnesses: list[WitnessKey] = field(default_factory=list)

    @property
    def list_accesses(self) -> ListAccesses:
        return ListAccesses(trail=self.trail)

    @property
    def prove_entry(self) -> ProveEntry:
        return ProveEntry(trail=self.trail)

    @property
    def prove_consistency(self) -> ProveConsistency:
        return ProveConsistency(trail=self.trail)

    async def release(self, *documents: Document, caller: Caller | None = None) -> Release:
        return await self.container.gate()(
            caller=caller or self.owner,
            action=Action.READ,
            purpose=PERSONAL_USE,
            versions=[each.current.ref for each in documents or (self.document,)],
        )

    async def another_document(self) -> Document:
        return await add_text(self.container, self.owner, "Something else.", "Another")

    async def integrate_all(self) -> int:
        total = 0
        while added := (await self.integrate(tenant_id=self.owner.tenant_id)).entries:
            total += added
        return total

    async def checkpoint(self) -> tuple[str, Checkpoint]:
        latest = await self.trail.checkpoint(self.owner.tenant_id)
        assert latest is not None
        return latest.note, open_checkpoint(latest.note, self.key, ed25519_verify)

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        """Read as a superuser, past every rule; $1 is the tenant."""
        connection = await self.database.connect("postgres")
        try:
            return list(await connection.fetch(query, self.owner.tenant_id, *arguments))
        finally:
            await connection.close()

    async def tamper(self, *statements: str) -> None:
        """What an administrator of the database can do: everything, without any trigger."""
        connection = await self.database.connect("postgres")
        try:
            await connection.execute("SET session_replication_role = replica")
            for each in statements:
                await connection.execute(each.replace("$1", f"'{self.owner.tenant_id}'"))
        finally:
            await connection.close()


@pytest.fixture
async def log(
    container: Container,
    database: Database,
    engine: AsyncEngine,
    sequencer_engine: AsyncEngine,
    tenant_id: TenantId,
    caller_in: CallerIn,
) -> TestedLog:
    signer = KeyServiceLogSigner(signer=container.key_service())
    owner = await caller_in(tenant_id)
    return TestedLog(
        container=container,
        database=database,
        owner=owner,
        document=await add_text(container, owner, "The first of all words.", "First"),
        integrate=IntegrateEntries(
            log=PostgresLog(engine=sequencer_engine),
            signer=signer,
            canonical=canonical_json,
            verify=ed25519_verify,
        ),
        trail=PostgresAuditTrail(engine=engine, evidence=container.evidence()),
        key=VerifierKey(name=log_name(tenant_id), public_key=await signer.public_key()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SignsInById(ASGIMiddleware):
    """Stands for authentication: the bearer token is a person of the tenant, and a role."""

    tenant_id: TenantId

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        kind, _, token = dict(scope["headers"]).get(b"authorization", b"").decode().partition(" ")
        if kind == "Bearer" and "/" in token:
            person, _, role = token.partition("/")
            caller = Caller(
                tenant_id=self.tenant_id, person_id=PersonId(UUID(person)), role=Role(role)
            )
            scope["state"]["caller"] = caller
        await next_app(scope, receive, send)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditClient:
    """Asks over HTTP in the name of a person."""

    http: httpx2.AsyncClient
    owner: Caller

    async def get(self, path: str, caller: Caller | None = None) -> httpx2.Response:
        asker = caller or self.owner
        token = f"{asker.person_id}/{asker.role}"
        return await self.http.get(path, headers={"Authorization": f"Bearer {token}"})

    async def content(self, path: str, caller: Caller | None = None) -> bytes:
        response = await self.get(path, caller)
        assert response.status_code == 200, response.text
        return response.content


@pytest.fixture
async def client(log: TestedLog, serve: over_http.Serve) -> AsyncIterator[AuditClient]:
    signer = KeyServiceLogSigner(signer=log.container.key_service())
    given = {
        "audit_trail": log.trail,
        "log_signer": signer,
        "list_accesses": log.list_accesses,
        "list_denials": ListDenials(trail=log.trail),
        "bundle_accesses": BundleAccesses(trail=log.trail),
        "prove_entry": log.prove_entry,
        "promise_entry": PromiseEntry(
            trail=log.trail, signer=signer, canonical=canonical_json, within=log.within
        ),
        "accept_cosignatures": AcceptCosignatures(
            trail=log.trail, signer=signer, verify=ed25519_verify, witnesses=log.witnesses
        ),
        "prove_consistency": log.prove_consistency,
        "prove_checkpoint": ProveCheckpoint(trail=log.trail, prove_entry=log.prove_entry),
        "cursors": Cursors(secret=bytes(32)),
    }
    async with serve(
        AuditController,
        TilesController,
        LogOfCheckpointsController,
        prove_checkpoint,
        AccessesController,
        dependencies={name: _constant(value) for name, value in given.items()},
        middleware=[SignsInById(tenant_id=log.owner.tenant_id)],
    ) as running:
        yield AuditClient(http=running.client, owner=log.owner)


def _constant(value: object) -> Provide:
    return Provide(lambda: value, sync_to_thread=False)
