"""Bring the words of what was indexed by older rules up to today's, without a gap in the search."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from application.ports import Cipher, DataKey, ReleaseFailures, ReleaseGate
from application.retrieval.ports import AttemptOver, SealedPassage, WordIndex
from application.retrieval.sealed_passages import open_passage
from domain.errors import NotFound
from domain.identity import PERSONAL_USE, Action, Caller, VersionRef
from domain.retrieval.detection import SAMPLE_CHARACTERS, language_of
from domain.retrieval.passage import above


@dataclass(frozen=True, slots=True, kw_only=True)
class ReanalyseVersions:
    """A chore: some documents at a time, each in its owner's name, under a release of `derive`.

    A document is found by its old words until the new ones are there. Text, passages and vectors
    stay what they are.
    """

    index: WordIndex
    gate: ReleaseGate
    failures: ReleaseFailures
    cipher: Cipher

    async def __call__(self) -> int:
        """How many were done. Those that were erased or replaced meanwhile need nothing.

        One that cannot be done keeps its old words, and does not keep the others from theirs.
        """
        done, failures = 0, []
        for each in await self.index.outdated():
            try:
                done += await self._one(*each)
            except Exception as failure:  # noqa: BLE001 - raised below, where nothing went well
                failures.append(failure)
        if failures and not done:
            raise failures[0]
        return done

    async def _one(self, caller: Caller, version: VersionRef) -> bool:
        attempt = await self.index.take_over(caller, version)
        if attempt is None:
            return False
        try:
            release = await self.gate(
                caller=caller, action=Action.DERIVE, purpose=PERSONAL_USE, versions=[version]
            )
        except NotFound:
            return False
        key = release.opened[version].content
        async with self.failures.logged(caller, [release.id]):
            rows = await self.index.passages(attempt)
            words = [
                await asyncio.to_thread(self._words, caller, key, row) for row in rows.values()
            ]
        sample = "\n".join(text for text, _ in words[:_SAMPLED])
        said = attempt.language or language_of(sample[:SAMPLE_CHARACTERS])
        try:
            await self.index.rewrite(attempt, said, dict(zip(rows, words, strict=True)))
        except AttemptOver:
            return False
        return True

    def _words(self, caller: Caller, key: DataKey, row: SealedPassage) -> tuple[str, str]:
        passage = open_passage(self.cipher, key, caller.tenant_id, row)
        return passage.text, "\n".join(above(passage.title, passage.heading_path))


_SAMPLED = 50  # passages, which are more than the sample
