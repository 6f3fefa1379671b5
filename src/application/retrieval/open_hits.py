"""The text of the best candidates: against one release, as far as the gate gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from application.ports import Cipher, OpenedVersion, ReleaseFailures, ReleaseGate, Tampered
from application.retrieval.passages import Candidates, Passages
from application.retrieval.ports import SealedPassage
from application.retrieval.sealed_passages import open_passage
from application.retrieval.sealed_search import Examined
from domain.errors import NotFound
from domain.identity import Action, Caller, ReleaseId, VersionRef
from domain.json_pointer import covers
from domain.retrieval.fusion import normalised
from domain.retrieval.passage import Hit
from domain.retrieval.query import SearchQuery

RELEASES_MAX = 3
"""How often a page is filled up when the gate refuses what was visible a moment before."""

Ranking = Sequence[tuple[int, VersionRef, float]]
"""Passages with their versions and scores, best first."""

_Opened = dict[VersionRef, tuple[OpenedVersion, ReleaseId]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHits:
    """The first `limit` that the gate releases. What it refuses makes room for the next.

    Of a record, only those fields are asked for that were found. What was examined is released
    already.
    """

    passages: Passages
    gate: ReleaseGate
    failures: ReleaseFailures
    cipher: Cipher

    async def __call__(
        self,
        caller: Caller,
        query: SearchQuery,
        action: Action,
        ranking: Ranking,
        found: Candidates,
        examined: Examined,
    ) -> Sequence[Hit]:
        """Raises Unavailable when the release cannot be written."""
        releases: set[ReleaseId] = set()
        async with self.failures.logged(caller, releases):
            return await self._page(caller, query, action, ranking, found, examined, releases)

    async def _page(
        self,
        caller: Caller,
        query: SearchQuery,
        action: Action,
        ranking: Ranking,
        found: Candidates,
        examined: Examined,
        releases: set[ReleaseId],
    ) -> Sequence[Hit]:
        """`releases` are those that the page rests on so far: one passage that does not open is
        the end of all of it."""
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
            given = await self._release(caller, query, action, asked, wanted)
            opened |= given
            releases |= {release_id for _, release_id in given.values()}
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
                    text_commitment=keys.text_commitment,
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
