"""Documents of several people in one tenant: handed in, indexed, shared and searched for real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.embedding.hashing import HashingEmbedder
from adapters.identifiers import uuid7
from adapters.postgres.engine import transaction
from application.retrieval.embedder import Vector
from application.retrieval.ports import IndexedPassage
from application.retrieval.search import SearchPage
from application.vault.add_document import DocumentDetails
from domain.consent.grant import Grant
from domain.consent.terms import Terms
from domain.identity import (
    PERSONAL_USE,
    Acr,
    Action,
    Caller,
    DocumentId,
    Purpose,
    ResourceKind,
    ResourceRef,
    TenantId,
    VersionRef,
)
from domain.retrieval.query import SearchMode, SearchQuery
from domain.vault.document import Description, IndexMode
from entrypoints.container import Container

EMBEDDER = HashingEmbedder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The use cases as the composition root plugs them, with an embedder that needs no model."""

    container: Container
    engine: AsyncEngine
    tenant_id: TenantId

    async def person(self) -> Caller:
        caller = Caller(tenant_id=self.tenant_id, person_id=uuid7())  # type: ignore[arg-type]
        await self.run(
            "INSERT INTO people (tenant_id, id, email, display_name, password_hash, role)"
            " VALUES (:tenant, :person, :email, 'Test Person', '-', 'member')",
            person=caller.person_id,
            email=f"{caller.person_id}@example.org",
        )
        return caller

    async def hand_in(
        self,
        owner: Caller,
        content: str,
        *,
        title: str = "Untitled",
        index_mode: IndexMode = IndexMode.CLEAR,
    ) -> VersionRef:
        """In the vault and not indexed yet."""

        async def details() -> DocumentDetails:
            return DocumentDetails(description=Description(title=title), index_mode=index_mode)

        document = await self.container.add_document()(
            caller=owner, content=_pieces(content), details=details
        )
        return document.current.ref

    async def replace(self, owner: Caller, ref: VersionRef, content: str) -> VersionRef:
        document = await self.container.replace_content()(
            caller=owner,
            document_id=ref.document_id,
            expected_version=ref.version,
            content=_pieces(content),
        )
        return document.current.ref

    async def index(self, owner: Caller, ref: VersionRef) -> VersionRef:
        await self.container.index_version()(caller=owner, version=ref)
        return ref

    async def add(self, owner: Caller, content: str, **options: Any) -> VersionRef:
        return await self.index(owner, await self.hand_in(owner, content, **options))

    async def add_bare(
        self, owner: Caller, passages: Sequence[str], vectors: Sequence[Vector] = ()
    ) -> VersionRef:
        """In the index alone: for what is about the index, and for many documents.

        Each passage has its own of the `vectors`, or that of its words."""
        ref = VersionRef(document_id=DocumentId(uuid7()), version=1)
        await self.run(
            "INSERT INTO documents (tenant_id, id, owner_id, current_version, index_mode,"
            " audit_mode, sealed_metadata, created_at, updated_at)"
            " VALUES (:tenant, :document, :owner, 1, 'clear', 'committed', '', now(), now())",
            document=ref.document_id,
            owner=owner.person_id,
        )
        await self.run(
            "INSERT INTO versions (tenant_id, document_id, version, media_type, content_length,"
            " content_blob_id, state, created_at)"
            " VALUES (:tenant, :document, 1, 'text/plain', 1, :document, 'received', now())",
            document=ref.document_id,
        )
        index = self.container.passage_index()
        attempt = await index.begin(owner, ref)
        assert attempt is not None
        rows = [
            IndexedPassage(
                ordinal=place,
                start=place,
                end=place + 1,
                page=None,
                sealed=b"",
                words=words,
                vector=vectors[place] if vectors else await EMBEDDER.embed_query(words),
            )
            for place, words in enumerate(passages)
        ]
        if rows:
            await index.add(attempt, EMBEDDER.model, rows, len(rows))
        await index.publish(attempt)
        return ref

    async def share(
        self,
        owner: Caller,
        ref: VersionRef,
        grantee: Caller,
        *,
        purpose: str = PERSONAL_USE,
        actions: Sequence[Action] = (Action.SEARCH,),
        begins: timedelta | None = None,
        lasts: timedelta = timedelta(hours=1),
        max_uses: int | None = None,
        required_acr: Acr | None = None,
    ) -> Grant:
        now = datetime.now(UTC)
        terms = Terms(
            resource=ResourceRef(kind=ResourceKind.DOCUMENT, id=ref.document_id),
            actions=frozenset(actions),
            purpose=Purpose(purpose),
            not_before=None if begins is None else now + begins,
            expires_at=now + (begins or timedelta()) + lasts,
            max_uses=max_uses,
            required_acr=required_acr,
        )
        give = self.container.give_grant()
        return await give(caller=owner, grantee=grantee.person_id, terms=terms)

    async def search(
        self,
        caller: Caller,
        words: str,
        *,
        mode: SearchMode = SearchMode.HYBRID,
        action: Action = Action.SEARCH,
        **options: Any,
    ) -> SearchPage:
        query = SearchQuery(text=words, mode=mode, **options)
        return await self.container.search()(caller=caller, query=query, action=action)

    async def found(self, caller: Caller, words: str, **options: Any) -> set[DocumentId]:
        page = await self.search(caller, words, **options)
        return {hit.passage.version.document_id for hit in page.hits}

    async def run(self, statement: str, **values: Any) -> list[Any]:
        async with transaction(self.engine, self.tenant_id) as connection:
            done = await connection.execute(text(statement), {"tenant": self.tenant_id, **values})
            return list(done.all()) if done.returns_rows else []

    async def states(self, ref: VersionRef) -> list[tuple[int, str]]:
        rows = await self.run(
            "SELECT number, state FROM document_events"
            " WHERE tenant_id = :tenant AND document_id = :document ORDER BY number",
            document=ref.document_id,
        )
        return [(row.number, row.state) for row in rows]

    async def indexed_rows(self, ref: VersionRef) -> dict[str, int]:
        """How many rows of each version each table of the index holds."""
        counted = {}
        for table in ("passages", "passage_vectors", "postings"):
            rows = await self.run(
                f"SELECT version, count(*) FROM {table}"
                " WHERE tenant_id = :tenant AND document_id = :document GROUP BY version",
                document=ref.document_id,
            )
            counted |= {f"{table}.{row.version}": row.count for row in rows}
        return counted


async def _pieces(content: str) -> AsyncIterator[bytes]:
    await asyncio.sleep(0)
    yield content.encode()
