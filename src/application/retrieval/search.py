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
from application.retrieval.sealed_passages import open_passage
from application.retrieval.sealed_search import STEP, Asked, Examined, SealedSearch
from domain.errors import NotFound
from domain.identity import Action, Caller, ReleaseId, TenantId, VersionRef
from domain.json_pointer import covers
from domain.retrieval.documents import best_of_each
from domain.retrieval.fusion import (
    FEEDBACK_WEIGHT,
    SEMANTIC_WEIGHT,
    fuse,
    normalised,
    with_feedback,
)
from domain.retrieval.likeness import Rung
from domain.retrieval.passage import Hit
from domain.retrieval.query import LIMIT_MAX, Results, SearchMode, SearchQuery
from domain.retrieval.vectors import VectorReason
from domain.retrieval.words import asked_for

PER_LEG = 100
PER_LEG_OF_MANY = 400
"""Passages of each leg where many documents are wanted: some have several among the best."""

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

        async def candidates(lexemes: Sequence[str] | None = None) -> Candidates:
            nonlocal meaning
            for _ in range(ASKED_AGAIN_MAX):
                found = await self._candidates(caller, query, action, examined, meaning, lexemes)
                if found.serving in (None, meaning.model) or query.mode is SearchMode.KEYWORD:
                    break
                meaning = await self._meaning(query, found.serving)
                self._remember(caller.tenant_id, found.serving)
            return found

        found, rung = await candidates(), Rung.WORDS
        semantic_only = _by_meaning_alone(query, meaning)
        degraded = [*meaning.degraded, *examined.degraded]
        if meaning.vector is not None and examined.lacks(meaning.model):
            degraded = [*degraded, Degradation(step=STEP, reason="embedder_changed")]
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
        ranked = _fused(found, weight)
        ranking: _Ranking = [(passage, found.versions[passage], score) for passage, score in ranked]
        if query.results is Results.DOCUMENTS:
            ranking = best_of_each(ranking)
        return SearchPage(
            hits=await self._open(caller, query, action, ranking, found, examined),
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
    ) -> Candidates:
        by_meaning = _by_meaning_alone(query, meaning)
        languages = None if by_meaning else languages_of(meaning.embedder)
        per_leg = PER_LEG_OF_MANY if query.limit > LIMIT_MAX else PER_LEG
        words = "" if by_meaning else query.text
        in_the_open = await self.passages.candidates(
            caller,
            query,
            action,
            words=words,
            vector=meaning.vector,
            model=meaning.model,
            languages=languages,
            per_leg=per_leg,
            lexemes=lexemes,
            mixed=bool(examined),
        )
        if not examined:
            return in_the_open
        asked = Asked(words=asked_for(words), lexemes=lexemes)
        sealed = await examined.candidates(
            asked,
            vector=meaning.vector,
            model=meaning.model,
            languages=languages,
            per_leg=per_leg,
        )
        return self.sealed.together(in_the_open, sealed, asked, per_leg)

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
