"""Where versions become searchable: passages, vectors, postings, and the progress of it."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.driver import Driver, driver_transaction
from adapters.postgres.engine import transaction
from adapters.postgres.progress import progress_values
from adapters.postgres.statements import statement
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
        async with driver_transaction(self.engine, caller) as driver:
            begun = await driver.rows("begin_attempt", identity)
            # Looked at when the row is ours: whoever held it before may have come to an end.
            if not begun or await _state(driver, identity) in _ENDS:
                return None
            models = await _models(driver, caller)
            if ModelState.SERVING not in models and model and begun[0].index_mode != "none":
                first = {"tenant": caller.tenant_id, "model": model, "dimensions": dimensions}
                await driver.rows("first_model", first)
                models = await _models(driver, caller)
            attempt = IndexAttempt(
                caller=caller,
                version=version,
                number=begun[0].index_attempt,
                kept_as=KeptAs(begun[0].index_mode),
                serving=models.get(ModelState.SERVING),
                arriving=models.get(ModelState.ARRIVING),
            )
            if attempt.number > 1:  # nobody wrote before the first
                await driver.rows("clear_version", identity)
            told = progress_values(caller.tenant_id, version, IndexState.EXTRACTING)
            await driver.rows("record_progress", told)
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
        async with self._fenced(attempt, IndexState.EMBEDDING, done, total) as driver:
            await driver.rows(
                "add_passages",
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
        async with self._fenced(attempt, IndexState.EMBEDDING, done, total) as driver:
            await driver.rows(
                "add_sealed",
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
        async with self._fenced(attempt, IndexState.READY) as driver:
            if attempt.kept_as is not KeptAs.NONE:
                identity = identity_of(attempt.caller, attempt.version)
                models = await _models(driver, attempt.caller)
                if attempt.serving and attempt.serving != models.get(ModelState.SERVING):
                    raise EmbedderSwapped
                await driver.rows("publish_version", identity | {"analysis": ANALYSIS})
                await driver.rows("note_vectors", identity)

    async def end(self, attempt: IndexAttempt, state: IndexState, reason: str) -> None:
        async with self._fenced(attempt, state, reason=reason) as driver:
            await driver.rows("clear_version", identity_of(attempt.caller, attempt.version))

    @asynccontextmanager
    async def _fenced(
        self,
        attempt: IndexAttempt,
        state: IndexState,
        done: int | None = None,
        total: int | None = None,
        reason: str | None = None,
    ) -> AsyncIterator[Driver]:
        caller, version = attempt.caller, attempt.version
        values = identity_of(caller, version) | {"attempt": attempt.number}
        async with driver_transaction(self.engine, caller) as driver:
            if not await driver.rows("hold_attempt", values):
                raise AttemptOver
            yield driver
            told = progress_values(
                caller.tenant_id, version, state, reason=reason, done=done, total=total
            )
            await driver.rows("record_progress", told)
            if total is not None and done == total:
                told = progress_values(caller.tenant_id, version, IndexState.INDEXING)
                await driver.rows("record_progress", told)


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


async def _models(driver: Driver, caller: Caller) -> dict[ModelState, str]:
    rows = await driver.rows("models_of_tenant", {"tenant": caller.tenant_id})
    return {ModelState(row.state): row.model for row in rows}


async def _state(driver: Driver, identity: Mapping[str, Any]) -> str:
    (row,) = await driver.rows("state_of_version", identity)
    return str(row.state)


def identity_of(caller: Caller, version: VersionRef) -> dict[str, Any]:
    """Parameters that statements about one version share; `caller` owns it."""
    return {
        "tenant": caller.tenant_id,
        "owner": caller.person_id,
        "document": version.document_id,
        "version": version.version,
    }
