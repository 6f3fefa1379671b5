"""Search what is sealed: one release of what is examined, then exact search in memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence, Set
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from heapq import nsmallest

from application.ports import Cipher, OpenedVersion, Release, ReleaseFailures, ReleaseGate
from application.retrieval.degradation import Degradation
from application.retrieval.embedder import Vector
from application.retrieval.passages import Candidates, KnownLexemes
from application.retrieval.sealed_entries import Entries, open_entries
from application.retrieval.sealed_index import HalfVectors, SealedIndex, Stems
from domain.errors import NotFound
from domain.identity import Action, Caller, ReleaseId, VersionRef
from domain.json_pointer import covers
from domain.language import Language
from domain.retrieval.bm25 import Counted, Said, score
from domain.retrieval.features import Features
from domain.retrieval.fusion import LENGTH_WEIGHT, SATURATION
from domain.retrieval.likeness import Span, place_in
from domain.retrieval.query import SearchQuery
from domain.retrieval.words import Word

STEP = "sealed"
LEXEMES_MAX = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The terms of a question, each with how often it is said: words, or lexemes as they are."""

    words: Sequence[tuple[Word, int]] = ()
    lexemes: Sequence[str] | None = None

    @property
    def said(self) -> Mapping[int, int]:
        """By the number of the term, from 1 on."""
        if self.lexemes is not None:
            return dict.fromkeys(range(1, len(self.lexemes) + 1), 1)
        return {term: said for term, (_, said) in enumerate(self.words, start=1)}

    def forms(self, configuration: str, stems: Stems) -> Mapping[int, Sequence[str]]:
        """The lexemes of each term; of a stop word none."""
        if self.lexemes is not None:
            return {term: [lexeme] for term, lexeme in enumerate(self.lexemes, start=1)}
        return {
            term: stems.lexemes(configuration, word)
            for term, (word, _) in enumerate(self.words, start=1)
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Entries, and the places in them that the searcher may see."""

    entries: Entries
    places: Sequence[int]
    is_whole: bool


@dataclass(slots=True, kw_only=True)
class Examined:
    """Sealed versions in the clear, for one search."""

    stems: Stems
    half_vectors: HalfVectors
    opened: Mapping[VersionRef, OpenedVersion] = field(default_factory=dict)
    release_id: ReleaseId | None = None
    degraded: Sequence[Degradation] = ()
    weights: Mapping[VersionRef, float] = field(default_factory=dict)
    parts: list[_Part] = field(default_factory=list)
    _at: dict[int, tuple[Entries, int]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.parts)

    def __contains__(self, passage: int) -> bool:
        return passage in self._at

    def ordinal(self, passage: int) -> int:
        entries, place = self._at[passage]
        return entries.first + place

    def vector(self, passage: int, model: str) -> Vector | None:
        entries, place = self._at[passage]
        if model not in entries.vectors:
            return None
        dimensions, packed = entries.vectors[model]
        return self.half_vectors.vector(packed, place, dimensions)

    def lacks(self, model: str) -> bool:
        """Whether some of it cannot be compared by this model: it serves only since a moment."""
        return any(model not in part.entries.vectors for part in self.parts)

    def candidates(
        self,
        asked: Asked,
        *,
        vector: Vector | None,
        model: str,
        languages: Set[Language] | None,
        all_compared: bool,
        per_leg: int,
    ) -> Candidates:
        """As of the open index, but that nothing is scored by words yet. It computes, and belongs
        on a thread."""
        configurations = {
            each: self.stems.configuration(each)
            for each in {part.entries.language for part in self.parts}
        }
        read = None if languages is None else set(map(self.stems.configuration, languages))
        forms = {each: asked.forms(each, self.stems) for each in set(configurations.values())}
        said: dict[int, tuple[int, dict[int, int]]] = {}
        holding = defaultdict[int, int](int)
        semantic: dict[int, float] = {}
        unread: set[int] = set()
        for part in self.parts:
            entries, configuration = part.entries, configurations[part.entries.language]
            is_read = read is None or configuration in read
            for term, lexemes in forms[configuration].items():
                often = _often(part, lexemes)
                holding[term] += len(often) if lexemes else len(part.places)
                for place, frequency in often.items():
                    passage = entries.passages[place]
                    known = said.setdefault(passage, (entries.lengths[place], {}))
                    known[1][term] = frequency
            if not is_read:
                unread.update(entries.passages[place] for place in part.places)
            if (is_read or all_compared) and vector is not None and model in entries.vectors:
                scores = self.half_vectors.closeness(entries.vectors[model][1], vector)
                semantic |= {entries.passages[place]: scores[place] for place in part.places}
        self._at = {
            part.entries.passages[place]: (part.entries, place)
            for part in self.parts
            for place in part.places
        }
        semantic = best(semantic, per_leg)
        found = said.keys() | semantic.keys()
        return Candidates(
            versions={each: self._at[each][0].version for each in found},
            fields={each: name for each in found if (name := self._field(each)) is not None},
            semantic=semantic,
            keyword={},
            words=0,
            unread=frozenset(unread & found),
            visible=len(self._at),
            features={each: self._features(each) for each in found},
            counted=Counted(
                passages=len(self._at),
                lexemes=sum(
                    part.entries.lengths[place] for part in self.parts for place in part.places
                ),
                searchable={
                    term for each in forms.values() for term, lexemes in each.items() if lexemes
                },
                holding=holding,
            ),
            said={
                passage: Said(length=length, frequencies=frequencies)
                for passage, (length, frequencies) in said.items()
            },
        )

    def _features(self, passage: int) -> Features:
        """Those that are not sealed."""
        entries, place = self._at[passage]
        weight = self.weights.get(entries.version, 1.0)
        return Features(position=entries.first + place, owner_weight=weight)

    def _field(self, passage: int) -> str | None:
        entries, place = self._at[passage]
        return None if entries.fields is None else entries.fields[place]

    def lexemes(self, spans: Sequence[Span]) -> KnownLexemes:
        """Of what may be seen, as of the open index. It computes, and belongs on a thread."""
        place_of = place_in(spans)
        known: dict[str, int] = {}
        for part in self.parts:
            visible = frozenset(part.places)
            for lexeme in part.entries.lexemes(visible.__contains__):
                place = place_of(lexeme)
                if place is not None:
                    known[lexeme] = place
        return KnownLexemes(
            lexemes=nsmallest(LEXEMES_MAX, known, key=lambda each: known[each]),
            is_cut=len(known) > LEXEMES_MAX,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSearch:
    """Bounded: at most `documents_max` documents with `passages_max` passages for one search, and
    `at_once` searches in memory. What does not fit is left out, and said to be.

    Examining is reading: every version that is opened is in the release, whether it is shown
    afterwards or not, and takes a use where uses are counted.
    """

    index: SealedIndex
    gate: ReleaseGate
    failures: ReleaseFailures
    cipher: Cipher
    stems: Stems
    half_vectors: HalfVectors
    passages_max: int = 10_000
    documents_max: int = 100
    wait_seconds_max: float = 2.0
    saturation: float = SATURATION
    length_weight: float = LENGTH_WEIGHT
    at_once: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(4))

    @asynccontextmanager
    async def examine(
        self, *, caller: Caller, query: SearchQuery, action: Action
    ) -> AsyncIterator[Examined]:
        """What may be searched and is sealed, open until the end of the block.

        Raises Unavailable, having opened nothing, when the release cannot be written.
        """
        examined = Examined(stems=self.stems, half_vectors=self.half_vectors)
        visible = await self.index.visible(
            caller,
            query,
            action,
            passages_max=self.passages_max,
            documents_max=self.documents_max,
        )
        left_out, examined.weights = visible.left_out, visible.weights
        if not visible.versions:
            examined.degraded = _left_out(left_out)
            yield examined
            return
        try:
            async with asyncio.timeout(self.wait_seconds_max):
                await self.at_once.acquire()
        except TimeoutError:
            everything = left_out + len(visible.versions)
            examined.degraded = [Degradation(step=STEP, reason="too_busy", left_out=everything)]
            yield examined
            return
        try:
            release = await self._release(caller, query, action, visible.versions)
            if release is not None:
                examined.opened, examined.release_id = release.opened, release.id
            # Until the end of the block, for what is found in it is shown after that.
            async with self.failures.logged(caller, [] if release is None else [release.id]):
                if release is not None:
                    left_out += await self._open(caller, release, examined)
                examined.degraded = _left_out(left_out)
                yield examined
        finally:
            examined.parts.clear()
            examined._at.clear()
            self.at_once.release()

    def together(
        self, open_: Candidates, sealed: Candidates, asked: Asked, per_leg: int
    ) -> Candidates:
        """Both as one: scored by words as if all had been counted in one place."""
        assert open_.counted is not None
        assert sealed.counted is not None
        counted = [open_.counted, sealed.counted]
        said = {**open_.said, **sealed.said}
        keyword = best(
            score(
                said,
                asked.said,
                counted,
                saturation=self.saturation,
                length_weight=self.length_weight,
            ),
            per_leg,
        )
        semantic = best({**open_.semantic, **sealed.semantic}, per_leg)
        found = keyword.keys() | semantic.keys()
        versions, fields = {**open_.versions, **sealed.versions}, {**open_.fields, **sealed.fields}
        return Candidates(
            versions={each: versions[each] for each in found},
            fields={each: fields[each] for each in found & fields.keys()},
            semantic=semantic,
            keyword=keyword,
            words=len(open_.counted.searchable | sealed.counted.searchable),
            unread=(open_.unread | sealed.unread) & found,
            visible=open_.visible + sealed.visible,
            vectors=open_.vectors,
            features={**open_.features, **sealed.features},
            serving=open_.serving,
        )

    async def _release(
        self, caller: Caller, query: SearchQuery, action: Action, versions: Sequence[VersionRef]
    ) -> Release | None:
        try:
            return await self.gate(
                caller=caller, action=action, purpose=query.purpose, versions=sorted(versions)
            )
        except NotFound:  # ended since they were seen
            return None

    async def _open(self, caller: Caller, release: Release, examined: Examined) -> int:
        """How many documents did not fit after all: records that were granted in part, of which
        nobody could tell before how much may be seen."""
        left_out: set[VersionRef] = set()
        count = 0
        async for stored in self.index.entries(caller, sorted(release.opened)):
            keys = release.opened[stored.version]
            entries = await asyncio.to_thread(
                open_entries, self.cipher, keys.content, caller.tenant_id, stored
            )
            places = _visible(entries, keys)
            if not places:
                continue
            count += len(places)
            if count > self.passages_max:
                left_out.add(stored.version)
                continue
            whole = len(places) == len(entries.lengths)
            examined.parts.append(_Part(entries=entries, places=places, is_whole=whole))
        examined.parts = [each for each in examined.parts if each.entries.version not in left_out]
        return len(left_out)


def best(scores: Mapping[int, float], count: int) -> dict[int, float]:
    """The greatest; equal ones in the order of keys."""
    return dict(nsmallest(count, scores.items(), key=lambda each: (-each[1], each[0])))


def _left_out(count: int) -> Sequence[Degradation]:
    return [Degradation(step=STEP, reason="too_many", left_out=count)] if count else []


def _visible(entries: Entries, keys: OpenedVersion) -> Sequence[int]:
    everything = range(len(entries.lengths))
    if keys.fields is None:
        return everything
    names: Iterable[str] = entries.fields or ()
    return [place for place, name in enumerate(names) if covers(keys.fields, name)]


def _often(part: _Part, lexemes: Sequence[str]) -> Mapping[int, int]:
    often: dict[int, int] = {}
    for lexeme in lexemes:
        for place, frequency in part.entries.saying(lexeme):
            if part.is_whole or place in part.places:
                often[place] = max(frequency, often.get(place, 0))
    return often
