"""Bring the vectors of documents that changed to the store beside the index."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from application.retrieval.vector_store import VectorChanges, VectorStore


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorVectors:
    """A chore: some documents at a time. Each is read after it was seen to have changed, so that
    the store ends with what there is; one that was erased ends with nothing.

    The store has the vectors of one `model`: while a tenant moves to another one there are two.
    A turn lasts `seconds_max` at most, which is shorter than a database lets it be held.
    """

    changes: VectorChanges
    store: VectorStore
    model: str
    seconds_max: float = 40.0

    async def __call__(self) -> int:
        """How many documents were brought over. Raises VectorStoreUnavailable: what was not done
        waits for the next time."""
        done = 0
        async with self.changes.turn() as is_ours:
            if not is_ours:
                return 0
            async with asyncio.timeout(self.seconds_max):
                for change in await self.changes.waiting():
                    found = await self.changes.vectors(change)
                    vectors = [each for each in found if each.model == self.model]
                    await self.store.replace(change.owner, change.document_id, vectors)
                    await self.changes.done(change)
                    done += 1
        return done

    async def start(self) -> None:
        """At the start of a process. A store that is new, or was not told of changes for a while,
        begins with nothing, and is brought everything."""
        is_new, has_begun = await self.store.prepare(), await self.changes.has_begun()
        if not has_begun and not is_new:
            await self.store.clear()
        await self.changes.begin(anew=is_new or not has_begun)
