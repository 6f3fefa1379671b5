"""Make a version searchable: extract, chunk, embed, index, and swap it in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from application.ports import Cipher
from application.retrieval.embedder import (
    Embedder,
    EmbedderUnavailable,
    Vector,
    embedders_by_model,
)
from application.retrieval.extractor import Extractor
from application.retrieval.ports import (
    AttemptOver,
    EmbedderSwapped,
    IndexAttempt,
    IndexedPassage,
    KeptAs,
    OpenContent,
    PassageIndex,
    SealedPassage,
    VersionContent,
)
from application.retrieval.sealed_entries import seal_entries
from application.retrieval.sealed_index import HalfVectors, Stems
from application.retrieval.sealed_passages import seal_passage
from domain.identity import Caller, VersionRef
from domain.language import Language
from domain.retrieval.chunking import Chunk, split_into_chunks
from domain.retrieval.detection import language_of
from domain.retrieval.passage import above, in_context
from domain.retrieval.progress import IndexState
from domain.retrieval.record_text import laid_out
from domain.retrieval.rejection import DocumentRejected

BEGUN_ANEW_MAX = 3
"""How often one run begins anew because another model serves its tenant by now."""

REASON_FAILED = "The document could not be indexed: a part of the service kept failing."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Chunks that follow on one another, `first` of `total`; `vectors` are those of the model that
    serves, and then of the one that arrives."""

    first: int
    chunks: Sequence[Chunk]
    texts: Sequence[str]
    vectors: Mapping[str, Sequence[Vector]]
    language: Language
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexVersion:
    """The ingestion job. It may be cut off anywhere and run again, or twice at once.

    Each run takes the version over from the one before and begins anew; what the other wrote is
    deleted, and what it still tries to write is refused. The previous version is found until
    this one is complete. `passages_at_once` are embedded and written in one go, which bounds
    the memory.

    A tenant that moves to another model gets the vectors of both, as far as this process knows
    them; what is missing afterwards is made good by ReembedDocuments.
    """

    content: VersionContent
    extractor: Extractor
    embedder: Embedder
    index: PassageIndex
    cipher: Cipher
    stems: Stems
    half_vectors: HalfVectors
    others: Sequence[Embedder] = ()
    passages_at_once: int = 128

    async def __call__(
        self, *, caller: Caller, version: VersionRef, last_attempt: bool = False
    ) -> None:
        """`caller` is the owner. Returns when there is nothing left to do for this version.

        Raises what went wrong, for the job queue to try again; on the `last_attempt` the version
        is marked as failed besides.
        """
        for _ in range(BEGUN_ANEW_MAX - 1):
            try:
                return await self._attempt(caller, version, last_attempt)
            except EmbedderSwapped:
                continue
        return await self._attempt(caller, version, last_attempt)

    async def _attempt(self, caller: Caller, version: VersionRef, last_attempt: bool) -> None:
        model, dimensions = self.embedder.model, self.embedder.dimensions
        attempt = await self.index.begin(caller, version, model, dimensions)
        if attempt is None:
            return
        try:
            await self._index(attempt)
        except EmbedderSwapped:
            raise
        except AttemptOver:
            return
        except DocumentRejected as rejection:
            await self._end(attempt, IndexState.REJECTED, rejection.message)
        except Exception:
            if last_attempt:
                await self._end(attempt, IndexState.FAILED, REASON_FAILED)
            raise

    async def _index(self, attempt: IndexAttempt) -> None:
        opened = await self.content.open(attempt.caller, attempt.version)
        if opened.fields is None:
            extracted = await self.extractor.extract(opened.content, opened.media_type)
            text = extracted.text.encode()
        else:
            of_record, chunks = laid_out(opened.fields)
            text = of_record.encode()
        await self.content.keep_text(attempt.caller, attempt.version, text, opened.key)
        if attempt.kept_as is not KeptAs.NONE:
            await self.index.tell(attempt, IndexState.CHUNKING)
            if opened.fields is None:
                # On a thread: a book takes a second, and other requests would wait for it.
                chunks = await asyncio.to_thread(split_into_chunks, extracted)
            language = opened.language or language_of(text.decode())
            await self._embed(attempt, opened, text, chunks, language)
            if not chunks:  # else it is told with the last of them
                await self.index.tell(attempt, IndexState.INDEXING)
        await self.index.publish(attempt)

    async def _embed(
        self,
        attempt: IndexAttempt,
        opened: OpenContent,
        text: bytes,
        chunks: Sequence[Chunk],
        language: Language,
    ) -> None:
        await self.index.tell(attempt, IndexState.EMBEDDING)
        known = embedders_by_model(self.embedder, self.others)
        serving = known.get(attempt.serving or self.embedder.model)
        arriving = serving and known.get(attempt.arriving or "")
        for first in range(0, len(chunks), self.passages_at_once):
            batch = chunks[first : first + self.passages_at_once]
            texts = [text[chunk.start : chunk.end].decode() for chunk in batch]
            read = [
                in_context(opened.title, chunk.heading_path, passage)
                for chunk, passage in zip(batch, texts, strict=True)
            ]
            vectors: dict[str, Sequence[Vector]] = {}
            if serving is not None:
                vectors[serving.model] = await serving.embed_passages(read)
            if arriving is not None:
                try:
                    vectors[arriving.model] = await arriving.embed_passages(read)
                except EmbedderUnavailable:
                    arriving = None  # nobody waits for what nobody reads yet
            some = _Batch(
                first=first,
                chunks=batch,
                texts=texts,
                vectors=vectors,
                language=language,
                total=len(chunks),
            )
            add = self._add_sealed if attempt.kept_as is KeptAs.SEALED else self._add
            await add(attempt, opened, some)

    async def _add(self, attempt: IndexAttempt, opened: OpenContent, batch: _Batch) -> None:
        of_models = list(batch.vectors.items())
        serving = of_models[0] if of_models else None
        passages = [
            IndexedPassage(
                ordinal=batch.first + place,
                start=chunk.start,
                end=chunk.end,
                page=chunk.page,
                field=chunk.field,
                sealed=self._sealed(attempt, opened, batch, place),
                words=text,
                above="\n".join(above(opened.title, chunk.heading_path)),
                heading_depth=len(chunk.heading_path),
                vector=None if serving is None else serving[1][place],
            )
            for place, (chunk, text) in enumerate(zip(batch.chunks, batch.texts, strict=True))
        ]
        model = self.embedder.model if serving is None else serving[0]
        await self.index.add(attempt, model, passages, batch.total, batch.language)
        for model, vectors in of_models[1:]:
            await self.index.add_vectors(attempt, model, dict(enumerate(vectors, batch.first)))

    async def _add_sealed(self, attempt: IndexAttempt, opened: OpenContent, batch: _Batch) -> None:
        """Page, field and language are sealed with the rest."""
        passages = [
            SealedPassage(
                version=attempt.version,
                ordinal=batch.first + place,
                start=chunk.start,
                end=chunk.end,
                page=None,
                sealed=self._sealed(attempt, opened, batch, place),
            )
            for place, chunk in enumerate(batch.chunks)
        ]
        fields = [chunk.field for chunk in batch.chunks if chunk.field is not None]
        entries = await asyncio.to_thread(
            seal_entries,
            self.cipher,
            opened.key,
            attempt.caller.tenant_id,
            attempt.version,
            batch.first,
            said=[
                (text, "\n".join(above(opened.title, chunk.heading_path)))
                for chunk, text in zip(batch.chunks, batch.texts, strict=True)
            ],
            fields=fields or None,
            vectors=batch.vectors,
            language=batch.language,
            stems=self.stems,
            half_vectors=self.half_vectors,
        )
        models = sorted(batch.vectors)
        await self.index.add_sealed(attempt, passages, entries, models, batch.total)

    def _sealed(
        self, attempt: IndexAttempt, opened: OpenContent, batch: _Batch, place: int
    ) -> bytes:
        chunk = batch.chunks[place]
        return seal_passage(
            self.cipher,
            opened.key,
            attempt.caller.tenant_id,
            attempt.version,
            batch.first + place,
            title=opened.title,
            heading_path=chunk.heading_path,
            text=batch.texts[place],
            places=chunk.places,
        )

    async def _end(self, attempt: IndexAttempt, state: IndexState, reason: str) -> None:
        try:
            await self.index.end(attempt, state, reason)
        except AttemptOver:
            return  # whoever took over, or erased the document, has the last word
