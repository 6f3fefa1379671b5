"""The restore fence: what ended is known outside of the database, and compared when it starts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from application.audit.ports import AuditTrail, LogSigner
from domain.audit.checkpoint import LOG_OF_CHECKPOINTS, log_name, open_checkpoint
from domain.audit.ending import Ending
from domain.audit.note import NoteNotValid, VerifierKey, Verify
from domain.audit.tree import edge, root


class JournalDamaged(Exception):
    """The journal was altered: what it says cannot be relied on. The message names the line."""


class FenceClosed(Exception):
    """The database is older than the journal: it was restored, and is not to be used as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEndings:
    """What the database has, and where to go on from next time."""

    endings: Sequence[Ending]
    position: int


class Endings(Protocol):
    """Those in the database, of all tenants. Raises Unavailable."""

    async def since(self, position: int) -> FoundEndings:
        """At least those that were not there when `position` was told; 0 stands for all."""
        ...


class EndingJournal(Protocol):
    """Those outside of the database, and the newest checkpoint of the log of checkpoints.

    Several processes may share one. What was added survives a crash of the machine.
    """

    async def read(self) -> Sequence[Ending]:
        """In the order in which they were added. Raises JournalDamaged, or OSError."""
        ...

    async def add(self, endings: Sequence[Ending]) -> int:
        """How many of these it did not have. Raises JournalDamaged, or OSError."""
        ...

    async def checkpoint(self) -> str | None: ...

    async def keep_checkpoint(self, note: str | None) -> None:
        """Instead of the one before. Raises OSError."""
        ...


class Restorations(Protocol):
    """Has the logs say that they were restored. Raises Unavailable."""

    async def record(self, body: Mapping[str, object]) -> None:
        """In every tenant's log, readable for operators."""
        ...


@dataclass(slots=True, kw_only=True)
class KeepEndings:
    """`EndingsKept`: copies into the journal what the database has and the journal has not."""

    endings: Endings
    journal: EndingJournal
    trail: AuditTrail
    behind: str | None = field(default=None, init=False)
    """Why the journal could not be brought up to date the last time, in a few words."""
    _position: int = field(default=0, init=False)
    _pass: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _asked: int = field(default=0, init=False)
    _served: int = field(default=0, init=False)

    async def __call__(self) -> None:
        """What was committed before this was called is in the journal when it returns.

        Never fails: what ended has ended. What could not be kept is tried again by `sweep`.
        """
        try:
            await self._keep()
        except Exception as failure:  # noqa: BLE001 - the deed is done, whatever this was
            self.behind = type(failure).__name__

    async def sweep(self) -> int:
        """How many endings of other processes, or kept late, were added; and the checkpoint."""
        added = await self._keep()
        latest = await self.trail.checkpoint(LOG_OF_CHECKPOINTS)
        if latest is not None:
            await self.journal.keep_checkpoint(latest.note)
        return added

    async def _keep(self) -> int:
        self._asked += 1
        mine = self._asked
        async with self._pass:
            if mine <= self._served:  # by a pass that began after this was asked for
                return 0
            serving = self._asked
            found = await self.endings.since(self._position)
            added = await self.journal.add(found.endings)
            self._position, self._served, self.behind = found.position, serving, None
            return added


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """What the journal knows and the database does not. It stands open where nothing is missing.

    `lost_entries`: the log of checkpoints had entries that the database does not have, or has
    others in their place.
    """

    missing: Sequence[Ending]
    known: int
    lost_entries: bool

    @property
    def closed(self) -> bool:
        return bool(self.missing) or self.lost_entries


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAtFence:
    """Is this database as new as the one that was served last?"""

    endings: Endings
    journal: EndingJournal
    trail: AuditTrail
    signer: LogSigner
    verify: Verify

    async def __call__(self) -> Fence:
        """Raises JournalDamaged, also for a checkpoint that is not ours, or OSError."""
        journalled = await self.journal.read()
        there: set[UUID] = {each.id for each in (await self.endings.since(0)).endings}
        return Fence(
            missing=[each for each in journalled if each.id not in there],
            known=len(journalled),
            lost_entries=not await self._continues(await self.journal.checkpoint()),
        )

    async def _continues(self, note: str | None) -> bool:
        """Whether the log of checkpoints begins with exactly the tree of this checkpoint."""
        if note is None:
            return True
        name = log_name(LOG_OF_CHECKPOINTS)
        key = VerifierKey(name=name, public_key=await self.signer.public_key())
        try:
            kept = open_checkpoint(note, key, self.verify)
        except NoteNotValid as invalid:
            raise JournalDamaged(f"The kept checkpoint is none of ours: {invalid}.") from None
        latest = await self.trail.checkpoint(LOG_OF_CHECKPOINTS)
        if latest is None or latest.size < kept.size:
            return False
        wanted = edge(kept.size)
        nodes = await self.trail.nodes(LOG_OF_CHECKPOINTS, wanted)
        return set(nodes) == set(wanted) and root(kept.size, nodes) == kept.root


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptLostEntries:
    """The operator's word that the log goes on from what the backup has.

    Nobody is deceived by that: whoever kept a newer checkpoint finds that it is not continued, and
    the log itself says what was known.
    """

    journal: EndingJournal
    trail: AuditTrail
    restorations: Restorations

    async def __call__(self, *, replayed: Mapping[str, int]) -> int:
        """The size of the log of checkpoints that it goes on from."""
        latest = await self.trail.checkpoint(LOG_OF_CHECKPOINTS)
        known = await self.journal.checkpoint()
        size = 0 if latest is None else latest.size
        await self.restorations.record(
            {"known_checkpoint": known, "found_size": size, "replayed": dict(replayed)}
        )
        await self.journal.keep_checkpoint(None if latest is None else latest.note)
        return size
