"""Answers with their log: what makes their bundles, over HTTP and as production plugs it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.encryption.canonical_json import canonical_json
from adapters.encryption.signatures import ed25519_verify
from adapters.postgres.audit import PostgresLog
from application.audit.integrate_entries import IntegrateEntries
from domain.audit.checkpoint import log_name
from domain.audit.note import VerifierKey
from domain.identity import Caller, RunId
from entrypoints.container import Container
from entrypoints.http.injected import constant
from entrypoints.http.provenance import ProvenanceController
from tests.integration.audit.conftest import SignsInById
from tests.integration.http.conftest import Serve
from tests.integration.retrieval.library import Library

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Asks for manifests and bundles in the name of a person."""

    http: httpx2.AsyncClient
    library: Library
    integrate: IntegrateEntries
    key: VerifierKey

    async def integrate_all(self) -> None:
        while (await self.integrate(tenant_id=self.library.tenant_id)).entries:
            pass

    async def get(self, caller: Caller, run_id: RunId, what: str) -> httpx2.Response:
        token = {"Authorization": f"Bearer {caller.person_id}/member"}
        return await self.http.get(f"/v1/runs/{run_id}/{what}", headers=token)

    async def bundle(self, caller: Caller, run_id: RunId) -> Json:
        await self.integrate_all()
        answer = await self.get(caller, run_id, "bundle")
        assert answer.status_code == 200, answer.text
        found: Json = json.loads(answer.content)
        return found


@asynccontextmanager
async def served(
    library: Library, sequencer_engine: AsyncEngine, serve: Serve
) -> AsyncIterator[Answers]:
    container: Container = library.container
    signer = container.log_signer()
    names = ("explain_answer", "attest_answer", "prove_releases")
    async with serve(
        ProvenanceController,
        dependencies={name: constant(getattr(container, name)()) for name in names},
        middleware=[SignsInById(tenant_id=library.tenant_id)],
    ) as running:
        yield Answers(
            http=running.client,
            library=library,
            integrate=IntegrateEntries(
                log=PostgresLog(engine=sequencer_engine),
                signer=signer,
                canonical=canonical_json,
                verify=ed25519_verify,
            ),
            key=VerifierKey(name=log_name(library.tenant_id), public_key=await signer.public_key()),
        )
