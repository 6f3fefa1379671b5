"""The words of searchable versions, rewritten when the rules change by which they are cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import delete, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import transaction
from adapters.postgres.passages import sealed_passage
from adapters.postgres.statements import statement
from adapters.postgres.tables import documents, passages, postings, versions
from adapters.postgres.text_search import ANALYSIS, passage_words
from application.retrieval.ports import AttemptOver, IndexAttempt, SealedPassage
from domain.identity import Caller, DocumentId, PersonId, TenantId, VersionRef
from domain.language import Language
from domain.retrieval.stemming import configuration_of

# Named by today's ANALYSIS: the index that it needs is made for it, see the migration.
_OUTDATED = text("SELECT * FROM documents_analysed_before_2()")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresWordIndex:
    """`WordIndex`."""

    engine: AsyncEngine
    passages_at_once: int = 128

    async def outdated(self) -> Sequence[tuple[Caller, VersionRef]]:
        async with self.engine.connect() as connection:
            rows = (await connection.execute(_OUTDATED)).all()
        return [
            (
                Caller(tenant_id=TenantId(row.tenant_id), person_id=PersonId(row.owner_id)),
                VersionRef(document_id=DocumentId(row.document_id), version=row.version),
            )
            for row in rows
        ]

    async def take_over(self, caller: Caller, version: VersionRef) -> IndexAttempt | None:
        taken = (
            update(documents)
            .where(
                documents.c.tenant_id == caller.tenant_id,
                documents.c.owner_id == caller.person_id,
                documents.c.id == version.document_id,
                documents.c.current_version == version.version,
                documents.c.searchable_version == version.version,
            )
            .values(index_attempt=documents.c.index_attempt + 1)
            .returning(documents.c.index_attempt, documents.c.language)
        )
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            row = (await connection.execute(taken)).one_or_none()
        if row is None:
            return None
        return IndexAttempt(
            caller=caller,
            version=version,
            number=row.index_attempt,
            language=row.language and Language(row.language),
        )

    async def passages(self, attempt: IndexAttempt) -> Mapping[int, SealedPassage]:
        caller, version = attempt.caller, attempt.version
        all_of_it = (
            select(passages)
            .where(
                passages.c.tenant_id == caller.tenant_id,
                passages.c.document_id == version.document_id,
                passages.c.version == version.version,
            )
            .order_by(passages.c.ordinal)
        )
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            rows = (await connection.execute(all_of_it)).all()
        return {row.id: sealed_passage(row) for row in rows}

    async def rewrite(
        self, attempt: IndexAttempt, language: Language, words: Mapping[int, tuple[str, str]]
    ) -> None:
        caller, version = attempt.caller, attempt.version
        identity = {
            "tenant": caller.tenant_id,
            "owner": caller.person_id,
            "document": version.document_id,
            "version": version.version,
        }
        configuration = configuration_of(language)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            held = await connection.execute(
                statement("hold_attempt"), identity | {"attempt": attempt.number}
            )
            if held.one_or_none() is None:
                raise AttemptOver
            await connection.execute(
                delete(postings).where(
                    postings.c.tenant_id == caller.tenant_id,
                    postings.c.owner_id == caller.person_id,
                    postings.c.document_id == version.document_id,
                )
            )
            length, rest = 0, iter(words.items())
            while batch := list(islice(rest, self.passages_at_once)):
                values = identity | {
                    "passages": [number for number, _ in batch],
                    "configuration": configuration,
                    **passage_words((number, text, above) for number, (text, above) in batch),
                }
                written = await connection.execute(statement("rewrite_words"), values)
                length += written.scalar_one()
            same: dict[str, Any] = {"configuration": configuration, "lexeme_count": length}
            await connection.execute(
                update(versions)
                .where(
                    versions.c.tenant_id == caller.tenant_id,
                    versions.c.document_id == version.document_id,
                    versions.c.version == version.version,
                )
                .values(language=language, **same)
            )
            await connection.execute(
                update(documents)
                .where(
                    documents.c.tenant_id == caller.tenant_id,
                    documents.c.id == version.document_id,
                )
                .values(analysis=ANALYSIS, **same)
            )
            await connection.execute(statement("tell_version_features"), identity)
