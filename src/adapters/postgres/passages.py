"""The index as a searcher sees it."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import transaction
from adapters.postgres.statements import statement
from adapters.postgres.text_search import asked_words, literal_words
from adapters.postgres.vector_route import BY_DEFAULT, VectorRoute, searching
from application.retrieval.embedder import Vector
from application.retrieval.passages import Candidates, KnownLexemes, Reach
from application.retrieval.ports import SealedPassage
from domain.identity import Action, Caller, DocumentId, VersionRef
from domain.language import Language
from domain.retrieval.bm25 import Counted, Said
from domain.retrieval.features import Features
from domain.retrieval.fusion import LENGTH_WEIGHT, SATURATION
from domain.retrieval.likeness import Span
from domain.retrieval.query import SearchQuery
from domain.retrieval.stemming import configuration_of
from domain.retrieval.vectors import VectorReason


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresPassages:
    """`Passages`. `candidates_per_leg` bounds what leaves the database for one search, and
    `lexemes_max` among how many words those are looked for that are like the words of a question;
    `postings_max` how many postings of documents are read for it that have to be read whole.

    `saturation` and `length_weight` are k1 and b of BM25.
    """

    engine: AsyncEngine
    route: VectorRoute = BY_DEFAULT
    candidates_per_leg: int = 100
    lexemes_max: int = 20_000
    postings_max: int = 200_000
    saturation: float = SATURATION
    length_weight: float = LENGTH_WEIGHT

    async def candidates(
        self,
        caller: Caller,
        query: SearchQuery,
        action: Action,
        *,
        words: str,
        vector: Vector | None,
        model: str,
        languages: Set[Language] | None = None,
        all_compared: bool = False,
        per_leg: int | None = None,
        lexemes: Sequence[str] | None = None,
        mixed: bool = False,
        features: bool = False,
        named: Sequence[int] | None = None,
    ) -> Candidates:
        async with searching(self.engine, caller) as (connection, tables):
            values = search_values(
                caller,
                query,
                action,
                words=words,
                vector=vector,
                model=model,
                languages=languages,
                all_compared=all_compared,
                per_leg=per_leg or self.candidates_per_leg,
                saturation=self.saturation,
                length_weight=self.length_weight,
                lexemes=lexemes,
                route=self.route,
                mixed=mixed,
                features=features,
                named=named,
                tables=tables,
            )
            rows = (await connection.execute(statement("search"), values)).all()
        found = [row for row in rows if row.id is not None]
        return Candidates(
            versions={row.id: _version(row) for row in found},
            fields={row.id: row.field for row in found if row.field is not None},
            semantic={row.id: row.semantic for row in found if row.semantic is not None},
            keyword={row.id: row.keyword for row in found if row.keyword is not None},
            words=rows[0].words,
            unread=frozenset(row.id for row in found if row.is_read is False),
            visible=rows[0].visible,
            serving=rows[0].serving,
            comparable=rows[0].comparable,
            features={row.id: _features(row) for row in found},
            counted=_counted(rows[0]) if mixed else None,
            said={row.id: _said(row) for row in found if row.terms is not None},
            vectors=VectorReason(rows[0].vectors),
        )

    async def reach(
        self, caller: Caller, query: SearchQuery, action: Action, *, documents_max: int
    ) -> Reach:
        values = visible_values(caller, query, action) | {"documents_max": documents_max + 1}
        async with searching(self.engine, caller) as (connection, _):
            row = (await connection.execute(statement("reach"), values)).one()
        shared = None if len(row.shared) > documents_max else frozenset(row.shared)
        return Reach(passages=row.passages, shared=shared)

    async def lexemes(
        self, caller: Caller, query: SearchQuery, action: Action, spans: Sequence[Span]
    ) -> KnownLexemes:
        values = visible_values(caller, query, action) | {
            "lows": [low for low, _ in spans],
            "highs": [high for _, high in spans],
            "lexemes_max": self.lexemes_max,
            "postings_max": self.postings_max,
        }
        async with searching(self.engine, caller) as (connection, _):
            row = (await connection.execute(statement("visible_lexemes"), values)).one()
        is_cut = row.is_cut or len(row.lexemes) > self.lexemes_max
        return KnownLexemes(lexemes=row.lexemes[: self.lexemes_max], is_cut=is_cut)

    async def closeness(
        self, caller: Caller, passages: Sequence[int], best: Sequence[int], model: str
    ) -> Mapping[int, float]:
        values = {
            "tenant": caller.tenant_id,
            "passages": list(passages),
            "best": list(best),
            "model": model,
        }
        async with searching(self.engine, caller) as (connection, _):
            rows = (await connection.execute(statement("closeness"), values)).all()
        return {row.id: row.closeness for row in rows}

    async def vectors(
        self, caller: Caller, passages: Sequence[int], model: str
    ) -> Mapping[int, Vector]:
        if not passages:
            return {}
        values = {"tenant": caller.tenant_id, "passages": list(passages), "model": model}
        async with searching(self.engine, caller) as (connection, _):
            rows = (await connection.execute(statement("open_vectors"), values)).all()
        return {row.id: array("f", json.loads(row.vector)) for row in rows}

    async def sealed(self, caller: Caller, passages: Sequence[int]) -> Mapping[int, SealedPassage]:
        if not passages:
            return {}
        values = {"tenant": caller.tenant_id, "passages": list(passages)}
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            rows = (await connection.execute(statement("sealed_passages"), values)).all()
        return {row.id: sealed_passage(row) for row in rows}


def search_values(
    caller: Caller,
    query: SearchQuery,
    action: Action,
    *,
    words: str,
    vector: Vector | None,
    model: str,
    per_leg: int,
    languages: Set[Language] | None = None,
    all_compared: bool = False,
    saturation: float = SATURATION,
    length_weight: float = LENGTH_WEIGHT,
    lexemes: Sequence[str] | None = None,
    mixed: bool = False,
    features: bool = False,
    named: Sequence[int] | None = None,
    route: VectorRoute = BY_DEFAULT,
    tables: Row[Any] | None = None,
) -> dict[str, Any]:
    """What search.sql is run with. `tables` is the row of `searching`."""
    literal = None if vector is None else _literal(vector)
    return {
        **route.values(tables, per_leg, literal, 0 if vector is None else len(vector)),
        **visible_values(caller, query, action),
        **(asked_words(words) if lexemes is None else literal_words(lexemes)),
        "literal": lexemes is not None,
        "vector": literal,
        "model": model,
        "read": None if languages is None else sorted(map(configuration_of, languages)),
        "all_compared": all_compared,
        "per_leg": per_leg,
        "k1": saturation,
        "b": length_weight,
        "mixed": mixed,
        "features": features,
        "named": None if named is None else list(named),
    }


def visible_values(caller: Caller, query: SearchQuery, action: Action) -> dict[str, Any]:
    """What visible.sql is run with."""
    return {
        "tenant": caller.tenant_id,
        "person": caller.person_id,
        "action": str(action),
        "purpose": query.purpose,
        "acr": caller.acr,
        "everything": query.document_ids is None,
        "documents": sorted(query.document_ids or ()),
    }


def sealed_passage(row: Any) -> SealedPassage:
    return SealedPassage(
        version=_version(row),
        ordinal=row.ordinal,
        start=row.start_byte,
        end=row.end_byte,
        page=row.page,
        field=row.field,
        sealed=row.sealed_text,
    )


def _counted(row: Any) -> Counted:
    return Counted(
        passages=row.visible,
        lexemes=row.lexemes or 0,
        searchable=frozenset(row.searchable),
        holding=dict(zip(row.held, row.holding, strict=True)),
    )


def _said(row: Any) -> Said:
    return Said(length=row.length, frequencies=dict(zip(row.terms, row.frequencies, strict=True)))


def _features(row: Any) -> Features:
    return Features(
        length=row.byte_length,
        position=row.ordinal,
        heading_depth=row.heading_depth,
        age_days=row.age_days,
        language=row.language,
        source=row.media_type,
        owner_weight=row.weight,
        citations=row.citations,
    )


def _version(row: Any) -> VersionRef:
    return VersionRef(document_id=DocumentId(row.document_id), version=row.version)


def _literal(vector: Vector) -> str:
    """In the text form that pgvector reads; nine digits give a 4-byte float back exactly."""
    return f"[{','.join(map('{:.9g}'.format, vector))}]"
