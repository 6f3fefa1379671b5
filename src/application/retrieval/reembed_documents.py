"""Move tenants to another embedding model while they are searched."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from application.ports import Cipher, DataKey, ReleaseFailures, ReleaseGate
from application.retrieval.embedder import Embedder, EmbedderUnavailable, embedders_by_model
from application.retrieval.embedding_models import EmbeddingModels, VectorIndex
from application.retrieval.ports import SealedPassage
from application.retrieval.sealed_entries import Entries, open_entries, seal_again
from application.retrieval.sealed_index import HalfVectors
from application.retrieval.sealed_passages import open_passage
from domain.errors import NotFound, Unavailable
from domain.identity import PERSONAL_USE, Action, Caller, TenantId, VersionRef
from domain.retrieval.embedding_model import ModelState, in_state, may_arrive
from domain.retrieval.passage import in_context


@dataclass(slots=True, kw_only=True)
class ReembedDocuments:
    """A chore: some documents at a time, each in its owner's name, under a release of `derive`.

    Vectors of the model that arrives are written beside those of the one that serves. Searches ask
    the latter until the former has all of them, in the whole tenant, and from then on that one:
    scores of two models are never compared, and nothing is missing meanwhile. Then those of the
    one before are deleted. It may be cut off anywhere, and be done by several processes at once.
    """

    models: EmbeddingModels
    index: VectorIndex
    gate: ReleaseGate
    failures: ReleaseFailures
    cipher: Cipher
    half_vectors: HalfVectors
    embedder: Embedder
    others: Sequence[Embedder] = ()
    left: int = field(default=0, init=False)
    """How many documents lacked vectors at the end of the last pass."""

    async def __call__(self) -> int:
        """How many documents were embedded. One that cannot be keeps its old vectors, and does not
        keep the others from theirs."""
        await self.models.announce(self.embedder.model, [each.model for each in self.others])
        done, left, failures = 0, 0, list[Exception]()
        for tenant_id in await self.models.tenants(self.embedder.model):
            embedded, lacking = await self._tenant(tenant_id, failures)
            done, left = done + embedded, left + lacking
        self.left = left
        if failures and not done:
            raise failures[0]
        return done

    async def _tenant(self, tenant_id: TenantId, failures: list[Exception]) -> tuple[int, int]:
        wanted = self.embedder
        models = await self.models.of(tenant_id)
        if in_state(models, ModelState.SERVING) is None:
            return 0, 0
        coming = in_state(models, ModelState.ARRIVING)
        if coming is not None and coming.name != wanted.model:
            await self.models.give_up(tenant_id)
            models = await self.models.of(tenant_id)
        if may_arrive(models, wanted.model):
            await self.models.arrive(tenant_id, wanted.model, wanted.dimensions)
            models = await self.models.of(tenant_id)
        known, done, left = embedders_by_model(wanted, self.others), 0, 0
        for each in models:
            embedder = known.get(each.name)
            if embedder is None or each.state not in (ModelState.SERVING, ModelState.ARRIVING):
                continue
            done += await self._embed(tenant_id, embedder, failures)
            lacking = await self.index.count_lacking(tenant_id, each.name)
            left += lacking
            if each.state is ModelState.ARRIVING and not lacking:
                await self.models.swap(tenant_id, each.name)
        await self.models.sweep(tenant_id)
        return done, left

    async def _embed(
        self, tenant_id: TenantId, embedder: Embedder, failures: list[Exception]
    ) -> int:
        done = 0
        for caller, version in await self.index.lacking(tenant_id, embedder.model):
            try:
                done += await self._one(caller, version, embedder)
            except (EmbedderUnavailable, Unavailable) as failure:
                failures.append(failure)
                break  # the next one would fare no better
            except Exception as failure:  # noqa: BLE001 - raised above, where nothing went well
                failures.append(failure)
        return done

    async def _one(self, caller: Caller, version: VersionRef, embedder: Embedder) -> bool:
        """Whether it is done: what was erased or replaced meanwhile needs nothing."""
        rows = await self.index.without(caller, version, embedder.model)
        part = await self.index.sealed_without(caller, version, embedder.model)
        if rows or part:
            try:
                release = await self.gate(
                    caller=caller, action=Action.DERIVE, purpose=PERSONAL_USE, versions=[version]
                )
            except NotFound:
                return False
            key = release.opened[version].content
            while rows:
                async with self.failures.logged(caller, [release.id]):
                    texts = self._texts(caller, key, rows.values())
                vectors = await embedder.embed_passages(texts)
                if not await self.index.add(
                    caller, version, embedder.model, dict(zip(rows, vectors, strict=True))
                ):
                    return False
                rows = await self.index.without(caller, version, embedder.model)
            while part:
                async with self.failures.logged(caller, [release.id]):
                    entries = await asyncio.to_thread(
                        open_entries, self.cipher, key, caller.tenant_id, part.entries
                    )
                    texts = self._texts(caller, key, part.passages)
                if not await self._add_sealed(caller, key, entries, texts, embedder):
                    return False
                part = await self.index.sealed_without(caller, version, embedder.model)
        await self.index.complete(caller, version)
        return True

    async def _add_sealed(
        self,
        caller: Caller,
        key: DataKey,
        entries: Entries,
        texts: Sequence[str],
        embedder: Embedder,
    ) -> bool:
        """Entries are sealed as a whole: vectors that nobody needs any more are left out."""
        vectors = await embedder.embed_passages(texts)
        left = {
            each.name
            for each in await self.models.of(caller.tenant_id)
            if each.state is ModelState.LEFT
        }
        kept = {name: each for name, each in entries.vectors.items() if name not in left}
        packed = (embedder.dimensions, self.half_vectors.pack(vectors))
        fuller = replace(entries, vectors=kept | {embedder.model: packed})
        sealed = await asyncio.to_thread(seal_again, self.cipher, key, caller.tenant_id, fuller)
        return await self.index.replace_sealed(
            caller, entries.version, entries.first, sorted(fuller.vectors), sealed
        )

    def _texts(self, caller: Caller, key: DataKey, rows: Iterable[SealedPassage]) -> Sequence[str]:
        """As they were embedded when they were indexed."""
        opened = (open_passage(self.cipher, key, caller.tenant_id, row) for row in rows)
        return [in_context(each.title, each.heading_path, each.text) for each in opened]
