"""Search what one may see: candidates in one statement, one release, then their text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from application.ports import Cipher, OpenedVersion, ReleaseGate, Tampered
from application.retrieval.degradation import Degradation
from application.retrieval.embedder import (
    Embedder,
    EmbedderUnavailable,
    Vector,
    embedders_by_model,
    languages_of,
)
from application.retrieval.guarded_embedder import EmbedderResting, EmbedderTooSlow
from application.retrieval.ladder import RUNGS, Ladder
from application.retrieval.ports import Candidates, HalfVectors, Passages, SealedPassage
from application.retrieval.reranker import Reranker, RerankerUnavailable
from application.retrieval.sealed_passages import open_passage
from application.retrieval.sealed_search import STEP, Asked, Examined, SealedSearch
from application.retrieval.vector_store import VectorStore, VectorStoreUnavailable
from domain.errors import NotFound
from domain.identity import Action, Caller, ReleaseId, TenantId, VersionRef
from domain.json_pointer import covers
from domain.retrieval.documents import best_of_each
from domain.retrieval.features import FEATURE_WEIGHTS, weighed
from domain.retrieval.fusion import (
    FEEDBACK_WEIGHT,
    SEMANTIC_WEIGHT,
    fuse,
    normalised,
    with_feedback,
)
from domain.retrieval.likeness import Rung
from domain.retrieval.passage import Hit, above
from domain.retrieval.query import LIMIT_MAX, Results, SearchMode, SearchQuery
from domain.retrieval.vectors import EXACT_PASSAGES_MAX, VectorReason
from domain.retrieval.words import asked_for

PER_LEG = 100
PER_LEG_OF_MANY = 400
"""Passages of each leg where many documents are wanted: some have several among the best."""

OVERFETCHED = 2
"""A store is asked for more: what it is behind with is thrown away."""

SHARED_MAX = 5_000
"""Of more documents of others, a store is not asked: the filter would be larger than the search."""

FEEDBACK_PASSAGES = 3
RELEASES_MAX = 3
"""How often a page is filled up when the gate refuses what was visible a moment before."""

ASKED_AGAIN_MAX = 3
"""How often a question is embedded anew because another model serves its tenant by now."""

_TENANTS_REMEMBERED_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """Hits, best first; `mode` is what was really done, among `visible` passages, `rung` how
    the words were found, and `vectors` how those in the open were compared. `examined` counts the
    sealed documents that were opened for it."""

    hits: Sequence[Hit]
    mode: SearchMode
    degraded: Sequence[Degradation]
    rung: Rung = Rung.WORDS
    visible: int = 0
    examined: int = 0
    vectors: VectorReason = VectorReason.NOT_ASKED


_Opened = dict[VersionRef, tuple[OpenedVersion, ReleaseId]]


_Ranking = Sequence[tuple[int, VersionRef, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meaning:
    """A question as one model puts it; None, where it was not asked or did not answer."""

    model: str
    vector: Vector | None = None
    embedder: Embedder | None = None
    degraded: Sequence[Degradation] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Used for result pages (action `search`) and for the excerpts of a chat (`quote`).

    A question is embedded by the model that serves its tenant: `embedder`, or one of the `others`
    while the tenant moves from one to the other. Which it is is told by the search itself, so that
    it is never answered from vectors that are not all there. What is written in languages that
    the model does not read is ranked by its words alone, unless meaning alone was asked for.

    What is sealed is opened first, as far as it may be searched, and ranked with the rest.

    With a `reranker` the best `rerank_passages` are released and shown to it, also those that the
    page then has no room for: the log tells of them as of what is shown.

    Where more than `compared_max` passages may be searched, `vectors` is asked which of them may be
    near. Where it does not answer, or names fewer than there must be, all are compared.
    """

    embedder: Embedder
    passages: Passages
    sealed: SealedSearch
    half_vectors: HalfVectors
    gate: ReleaseGate
    cipher: Cipher
    others: Sequence[Embedder] = ()
    semantic_weight: float = SEMANTIC_WEIGHT
    feedback_weight: float = FEEDBACK_WEIGHT
    feature_weights: Mapping[str, float] = field(default_factory=lambda: FEATURE_WEIGHTS)
    reranker: Reranker | None = None
    rerank_passages: int = 20
    vectors: VectorStore | None = None
    compared_max: int = EXACT_PASSAGES_MAX
    _serving: dict[TenantId, str] = field(default_factory=dict, compare=False)

    async def __call__(
        self, *, caller: Caller, query: SearchQuery, action: Action = Action.SEARCH
    ) -> SearchPage:
        """Raises Unavailable when the database or the gate does not answer."""
        async with self.sealed.examine(caller=caller, query=query, action=action) as examined:
            return await self._search(caller, query, action, examined)

    async def _search(
        self, caller: Caller, query: SearchQuery, action: Action, examined: Examined
    ) -> SearchPage:
        meaning = await self._meaning(query, self._serving.get(caller.tenant_id))

        named, failed = await self._named(caller, query, action, meaning)

        async def candidates(lexemes: Sequence[str] | None = None) -> Candidates:
            nonlocal meaning, named
            for _ in range(ASKED_AGAIN_MAX):
                found = await self._candidates(
                    caller, query, action, examined, meaning, lexemes, named
                )
                if found.serving in (None, meaning.model) or query.mode is SearchMode.KEYWORD:
                    break
                named = None  # for the question as another model puts it
                meaning = await self._meaning(query, found.serving)
                self._remember(caller.tenant_id, found.serving)
            return found

        found, rung = await candidates(), Rung.WORDS
        semantic_only = _by_meaning_alone(query, meaning)
        degraded = [*meaning.degraded, *examined.degraded, *failed]
        if meaning.vector is not None and examined.lacks(meaning.model):
            degraded = [*degraded, Degradation(step=STEP, reason="embedder_changed")]
        if found.vectors is VectorReason.VECTOR_STORE_CAME_SHORT:
            degraded = [*degraded, Degradation(step="vector_store", reason="incomplete")]
        if not semantic_only and found.words == 0:
            degraded = [*degraded, Degradation(step="keyword", reason="no_searchable_words")]
        if meaning.vector is not None and found.unread:
            degraded = [*degraded, Degradation(step="semantic", reason="language_not_read")]
        if not semantic_only and found.visible and found.words and not found.keyword:
            climb = Ladder(passages=self.passages)
            rung, instead = await climb(
                caller=caller,
                query=query,
                action=action,
                search=candidates,
                further=await examined.lexemes() if examined else (),
            )
            degraded = [*degraded, *_passed(rung)]
            found = instead or found
        weight = self.semantic_weight if rung is Rung.WORDS else (1 + self.semantic_weight) / 2
        found = await self._with_feedback(caller, found, weight, examined, meaning.model)
        ranked = weighed(_fused(found, weight), found.features, self.feature_weights)
        ranking: _Ranking = [(passage, found.versions[passage], score) for passage, score in ranked]
        if query.results is Results.DOCUMENTS:
            ranking = best_of_each(ranking)
        wanted = query.limit if self.reranker is None else max(query.limit, self.rerank_passages)
        hits = await self._open(
            caller, replace(query, limit=wanted), action, ranking, found, examined
        )
        hits, failed = await self._reranked(query, hits)
        degraded = [*degraded, *failed]
        return SearchPage(
            hits=hits[: query.limit],
            mode=_done(meaning.vector, found, semantic_only),
            degraded=degraded,
            rung=rung,
            visible=found.visible,
            examined=len(examined.opened),
            vectors=found.vectors,
        )

    async def _candidates(
        self,
        caller: Caller,
        query: SearchQuery,
        action: Action,
        examined: Examined,
        meaning: _Meaning,
        lexemes: Sequence[str] | None,
        named: Sequence[int] | None,
    ) -> Candidates:
        by_meaning = _by_meaning_alone(query, meaning)
        languages = None if by_meaning else languages_of(meaning.embedder)
        words = "" if by_meaning else query.text

        async def in_the_open(named: Sequence[int] | None) -> Candidates:
            return await self.passages.candidates(
                caller,
                query,
                action,
                words=words,
                vector=meaning.vector,
                model=meaning.model,
                languages=languages,
                per_leg=_per_leg(query),
                lexemes=lexemes,
                mixed=bool(examined),
                features=bool(self.feature_weights.keys() - {"owner_weight"}),
                named=named,
            )

        found = await in_the_open(named)
        if named is not None and len(found.semantic) < min(_per_leg(query), found.comparable):
            found = replace(await in_the_open(None), vectors=VectorReason.VECTOR_STORE_CAME_SHORT)
        if not examined:
            return found
        asked = Asked(words=asked_for(words), lexemes=lexemes)
        sealed = await examined.candidates(
            asked,
            vector=meaning.vector,
            model=meaning.model,
            languages=languages,
            per_leg=_per_leg(query),
        )
        return self.sealed.together(found, sealed, asked, _per_leg(query))

    async def _named(
        self, caller: Caller, query: SearchQuery, action: Action, meaning: _Meaning
    ) -> tuple[Sequence[int] | None, list[Degradation]]:
        """What the store names among what may be searched; None: it is not asked, or does not
        answer. It has the vectors of one model."""
        if self.vectors is None or meaning.vector is None or meaning.model != self.embedder.model:
            return None, []
        reach = await self.passages.reach(caller, query, action, documents_max=SHARED_MAX)
        if reach.passages <= self.compared_max or reach.shared is None:
            return None, []
        try:
            named = await self.vectors.nearest(
                caller,
                meaning.vector,
                meaning.model,
                shared=reach.shared,
                only=query.document_ids,
                limit=_per_leg(query) * OVERFETCHED,
            )
        except VectorStoreUnavailable as failure:
            return None, [Degradation(step="vector_store", reason=failure.code)]
        return named, []

    async def _with_feedback(
        self,
        caller: Caller,
        found: Candidates,
        semantic_weight: float,
        examined: Examined,
        model: str,
    ) -> Candidates:
        """The semantic leg moved towards what the best hits of both legs are about."""
        if not (self.feedback_weight and found.semantic and found.keyword):
            return found
        first = [passage for passage, _ in _fused(found, semantic_weight)[:FEEDBACK_PASSAGES]]
        best = [passage for passage in first if passage in found.semantic]
        passages = list(found.semantic)
        if any(passage in examined for passage in passages):
            closeness = await self._closeness(caller, passages, best, examined, model)
        else:
            closeness = await self.passages.closeness(caller, passages, best, model)
        moved = with_feedback(found.semantic, closeness, weight=self.feedback_weight)
        return replace(found, semantic=moved)

    async def _reranked(
        self, query: SearchQuery, hits: Sequence[Hit]
    ) -> tuple[Sequence[Hit], list[Degradation]]:
        """In the order of how well each answers, with scores from 0 to 1 of that; in the order
        that they have where the reranker fails."""
        if self.reranker is None or not hits:
            return hits, []
        passages = [
            "\n".join((*above(hit.passage.title, hit.passage.heading_path), hit.passage.text))
            for hit in hits
        ]
        try:
            told = await self.reranker.rerank(query.text, passages)
        except RerankerUnavailable as failure:
            return hits, [Degradation(step="rerank", reason=failure.code)]
        scores = normalised(dict(enumerate(told)))
        order = sorted(scores, key=lambda place: (-scores[place], place))
        return [replace(hits[place], score=scores[place]) for place in order], []

    async def _closeness(
        self,
        caller: Caller,
        passages: Sequence[int],
        best: Sequence[int],
        examined: Examined,
        model: str,
    ) -> Mapping[int, float]:
        """As in the database, which is not told where sealed passages are."""
        in_the_open = [passage for passage in passages if passage not in examined]
        vectors = dict(await self.passages.vectors(caller, in_the_open, model))
        for passage in passages:
            if passage in examined and (own := examined.vector(passage, model)) is not None:
                vectors[passage] = own
        near = [vectors[passage] for passage in best if passage in vectors]
        if not near:
            return {}
        closeness = self.half_vectors.closeness(
            self.half_vectors.pack(list(vectors.values())), self.half_vectors.middle(near)
        )
        return dict(zip(vectors, closeness, strict=True))

    async def _meaning(self, query: SearchQuery, model: str | None) -> _Meaning:
        """`model` is the one that serves; None: nobody knows yet."""
        model = model or self.embedder.model
        if query.mode is SearchMode.KEYWORD:
            return _Meaning(model=model)
        embedder = embedders_by_model(self.embedder, self.others).get(model)
        if embedder is None:
            return _Meaning(model=model, degraded=[_without("embedder_not_configured")])
        try:
            vector = await embedder.embed_query(query.text)
        except EmbedderUnavailable as unavailable:
            return _Meaning(model=model, degraded=[_without(_reason(unavailable))])
        return _Meaning(model=model, vector=vector, embedder=embedder)

    def _remember(self, tenant_id: TenantId, model: str) -> None:
        if len(self._serving) >= _TENANTS_REMEMBERED_MAX:
            self._serving.clear()
        self._serving[tenant_id] = model

    async def _open(
        self,
        caller: Caller,
        query: SearchQuery,
        action: Action,
        ranking: _Ranking,
        found: Candidates,
        examined: Examined,
    ) -> Sequence[Hit]:
        """The first `limit` that the gate releases. What it refuses makes room for the next.

        Of a record, only those fields are asked for that were found. What was examined is released
        already.
        """
        fields = found.fields
        wanted: dict[VersionRef, set[str]] = {}
        for passage, version, _ in ranking:
            if passage in fields:
                wanted.setdefault(version, set()).add(fields[passage])
        opened: _Opened = {}
        if examined.release_id is not None:
            opened = {each: (keys, examined.release_id) for each, keys in examined.opened.items()}
        page = ranking[: query.limit]
        for _ in range(RELEASES_MAX):
            asked = {version for _, version, _ in page} - opened.keys()
            if not asked:
                break
            opened |= await self._release(caller, query, action, asked, wanted)
            known = asked | opened.keys()
            ranking = [
                entry
                for entry in ranking
                if entry[1] not in known or _is_shown(opened.get(entry[1]), fields.get(entry[0]))
            ]
            page = ranking[: query.limit]
        page = [entry for entry in page if _is_shown(opened.get(entry[1]), fields.get(entry[0]))]
        rows = await self.passages.sealed(caller, [passage for passage, _, _ in page])
        semantic, keyword = normalised(found.semantic), normalised(found.keyword)
        hits = []
        for passage, version, score in page:
            if passage in rows:
                keys, release_id = opened[version]
                hit = Hit(
                    passage=open_passage(
                        self.cipher,
                        keys.content,
                        caller.tenant_id,
                        _row(rows[passage], passage, found, examined),
                    ),
                    score=score,
                    semantic=semantic.get(passage),
                    keyword=keyword.get(passage),
                    grant_id=keys.grant_id,
                    release_id=release_id,
                )
                hits.append(hit)
        return hits

    async def _release(
        self,
        caller: Caller,
        query: SearchQuery,
        action: Action,
        versions: set[VersionRef],
        wanted: Mapping[VersionRef, set[str]],
    ) -> _Opened:
        try:
            release = await self.gate(
                caller=caller,
                action=action,
                purpose=query.purpose,
                versions=sorted(versions),
                fields={each: frozenset(wanted[each]) for each in versions if each in wanted},
            )
        except NotFound:
            return {}
        return {version: (keys, release.id) for version, keys in release.opened.items()}


def _by_meaning_alone(query: SearchQuery, meaning: _Meaning) -> bool:
    return query.mode is SearchMode.SEMANTIC and meaning.vector is not None


def _without(reason: str) -> Degradation:
    return Degradation(step="semantic", reason=reason)


def _reason(unavailable: EmbedderUnavailable) -> str:
    """Some kinds are told apart; how a model fails is otherwise nobody's business."""
    told = isinstance(unavailable, (EmbedderTooSlow, EmbedderResting))
    return unavailable.code if told else EmbedderUnavailable.code


def _per_leg(query: SearchQuery) -> int:
    return PER_LEG_OF_MANY if query.limit > LIMIT_MAX else PER_LEG


def _fused(found: Candidates, semantic_weight: float) -> Sequence[tuple[int, float]]:
    return fuse(found.semantic, found.keyword, semantic_weight=semantic_weight, unread=found.unread)


def _passed(rung: Rung) -> list[Degradation]:
    """The steps of the ladder that found nothing, before the one that did."""
    steps = ["keyword", *RUNGS]
    passed = steps[: steps.index(rung)] if rung in steps else steps
    return [Degradation(step=step, reason="no_hit") for step in passed]


def _row(row: SealedPassage, passage: int, found: Candidates, examined: Examined) -> SealedPassage:
    """Of a sealed document the field is told by its entries alone, and the passage is the one that
    they were about."""
    if passage not in examined:
        return row
    if row.version != found.versions[passage] or row.ordinal != examined.ordinal(passage):
        raise Tampered("sealed entries name other passages than their own")
    return replace(row, field=found.fields.get(passage))


def _is_shown(opened: tuple[OpenedVersion, ReleaseId] | None, field: str | None) -> bool:
    if opened is None:
        return False
    shown = opened[0].fields
    return shown is None or (field is not None and covers(shown, field))


def _done(vector: Vector | None, found: Candidates, semantic_only: bool) -> SearchMode:
    if vector is None:
        return SearchMode.KEYWORD
    if semantic_only or found.words == 0:
        return SearchMode.SEMANTIC
    if found.unread and not found.semantic:
        return SearchMode.KEYWORD
    return SearchMode.HYBRID
