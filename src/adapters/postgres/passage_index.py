"""Where versions become searchable: passages, vectors, postings, and the progress of it."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import transaction
from adapters.postgres.progress import record_progress
from adapters.postgres.statements import statement
from adapters.postgres.tables import versions
from adapters.postgres.text_search import ANALYSIS, passage_words
from application.retrieval.embedder import Vector
from application.retrieval.ports import (
    AttemptOver,
    EmbedderSwapped,
    IndexAttempt,
    IndexedPassage,
    KeptAs,
    SealedPassage,
)
from domain.identity import Caller, VersionRef
from domain.language import ENGLISH, Language
from domain.retrieval.embedding_model import ModelState
from domain.retrieval.features import FEATURES_VERSION
from domain.retrieval.progress import IndexState
from domain.retrieval.stemming import configuration_of

_ENDS = (IndexState.READY, IndexState.REJECTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresPassageIndex:
    """`PassageIndex`. Whatever writes under an attempt passes the fence of hold_attempt.sql."""

    engine: AsyncEngine

    async def begin(
        self,
        caller: Caller,
        version: VersionRef,
        model: str | None = None,
        dimensions: int = 0,
    ) -> IndexAttempt | None:
        identity = identity_of(caller, version)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            begun = (await connection.execute(statement("begin_attempt"), identity)).one_or_none()
            if begun is None or await _state(connection, identity) in _ENDS:
                return None
            if model is not None and begun.index_mode != "none":
                first = {"tenant": caller.tenant_id, "model": model, "dimensions": dimensions}
                await connection.execute(statement("first_model"), first)
            models = await _models(connection, caller)
            attempt = IndexAttempt(
                caller=caller,
                version=version,
                number=begun.index_attempt,
                kept_as=KeptAs(begun.index_mode),
                serving=models.get(ModelState.SERVING),
                arriving=models.get(ModelState.ARRIVING),
            )
            await connection.execute(statement("clear_version"), identity)
            await record_progress(connection, caller.tenant_id, version, IndexState.EXTRACTING)
        return attempt

    async def tell(self, attempt: IndexAttempt, state: IndexState) -> None:
        async with self._fenced(attempt, state):
            pass

    async def add(
        self,
        attempt: IndexAttempt,
        model: str,
        passages: Sequence[IndexedPassage],
        total: int,
        language: Language = ENGLISH,
    ) -> None:
        vectors = packed([each.vector for each in passages if each.vector is not None])
        if vectors["dimensions"] and any(each.vector is None for each in passages):
            raise ValueError("all passages of a batch have a vector, or none")
        done = passages[-1].ordinal + 1
        async with self._fenced(attempt, IndexState.EMBEDDING, done, total) as connection:
            await connection.execute(
                statement("add_passages"),
                identity_of(attempt.caller, attempt.version)
                | {
                    "model": model,
                    **vectors,
                    "ordinals": [each.ordinal for each in passages],
                    "starts": [each.start for each in passages],
                    "ends": [each.end for each in passages],
                    "pages": [each.page for each in passages],
                    "fields": [each.field for each in passages],
                    "sealed": [each.sealed for each in passages],
                    "depths": [each.heading_depth for each in passages],
                    "features": FEATURES_VERSION,
                    **passage_words((each.ordinal, each.words, each.above) for each in passages),
                    "language": language,
                    "configuration": configuration_of(language),
                },
            )

    async def add_sealed(
        self,
        attempt: IndexAttempt,
        passages: Sequence[SealedPassage],
        entries: bytes,
        models: Sequence[str],
        total: int,
    ) -> None:
        done = passages[-1].ordinal + 1
        async with self._fenced(attempt, IndexState.EMBEDDING, done, total) as connection:
            await connection.execute(
                statement("add_sealed"),
                identity_of(attempt.caller, attempt.version)
                | {
                    "ordinals": [each.ordinal for each in passages],
                    "starts": [each.start for each in passages],
                    "ends": [each.end for each in passages],
                    "sealed": [each.sealed for each in passages],
                    "entries": entries,
                    "models": list(models),
                },
            )

    async def add_vectors(
        self, attempt: IndexAttempt, model: str, vectors: Mapping[int, Vector]
    ) -> None:
        values = identity_of(attempt.caller, attempt.version) | {"attempt": attempt.number}
        async with transaction(
            self.engine, attempt.caller.tenant_id, attempt.caller.person_id
        ) as connection:
            held = await connection.execute(statement("hold_attempt"), values)
            if held.one_or_none() is None:
                raise AttemptOver
            await write_vectors(connection, attempt.caller, attempt.version, model, vectors)

    async def publish(self, attempt: IndexAttempt) -> None:
        """Holds the models of the tenant meanwhile: either a swap sees this version and what it
        lacks, or this sees the swap."""
        async with self._fenced(attempt, IndexState.READY) as connection:
            if attempt.kept_as is not KeptAs.NONE:
                identity = identity_of(attempt.caller, attempt.version)
                models = await _models(connection, attempt.caller)
                if attempt.serving and attempt.serving != models.get(ModelState.SERVING):
                    raise EmbedderSwapped
                values = identity | {"analysis": ANALYSIS}
                await connection.execute(statement("publish_version"), values)
                await connection.execute(statement("note_vectors"), identity)

    async def end(self, attempt: IndexAttempt, state: IndexState, reason: str) -> None:
        async with self._fenced(attempt, state, reason=reason) as connection:
            identity = identity_of(attempt.caller, attempt.version)
            await connection.execute(statement("clear_version"), identity)

    @asynccontextmanager
    async def _fenced(
        self,
        attempt: IndexAttempt,
        state: IndexState,
        done: int | None = None,
        total: int | None = None,
        reason: str | None = None,
    ) -> AsyncIterator[AsyncConnection]:
        caller, version = attempt.caller, attempt.version
        values = identity_of(caller, version) | {"attempt": attempt.number}
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            held = await connection.execute(statement("hold_attempt"), values)
            if held.one_or_none() is None:
                raise AttemptOver
            yield connection
            await record_progress(
                connection,
                caller.tenant_id,
                version,
                state,
                reason=reason,
                done=done,
                total=total,
            )


async def write_vectors(
    connection: AsyncConnection,
    caller: Caller,
    version: VersionRef,
    model: str,
    vectors: Mapping[int, Vector],
) -> None:
    """By the ordinals of passages that are there."""
    values = identity_of(caller, version) | packed(list(vectors.values()))
    await connection.execute(
        statement("add_vectors"), values | {"model": model, "ordinals": list(vectors)}
    )


def packed(vectors: Sequence[Vector]) -> dict[str, Any]:
    """All numbers in one array, and how many of them make a vector."""
    dimensions = len(vectors[0]) if vectors else 0
    numbers = array("f")
    for each in vectors:
        if len(each) != dimensions:
            raise ValueError("vectors of one model have the same length")
        numbers.extend(each)
    return {"vectors": numbers, "dimensions": dimensions}


async def _models(connection: AsyncConnection, caller: Caller) -> dict[ModelState, str]:
    rows = await connection.execute(statement("models_of_tenant"), {"tenant": caller.tenant_id})
    return {ModelState(row.state): row.model for row in rows}


async def _state(connection: AsyncConnection, identity: Mapping[str, Any]) -> str:
    found = select(versions.c.state).where(
        versions.c.tenant_id == identity["tenant"],
        versions.c.document_id == identity["document"],
        versions.c.version == identity["version"],
    )
    return str((await connection.execute(found)).scalar_one())


def identity_of(caller: Caller, version: VersionRef) -> dict[str, Any]:
    """Parameters that statements about one version share; `caller` owns it."""
    return {
        "tenant": caller.tenant_id,
        "owner": caller.person_id,
        "document": version.document_id,
        "version": version.version,
    }
