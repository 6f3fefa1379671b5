"""Integrate: what was committed becomes part of a tree that nobody can rewrite unnoticed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from application.audit.ports import (
    Canonical,
    Log,
    LogSigner,
    LogTransaction,
    NewEntries,
    PendingEntry,
)
from domain.audit.checkpoint import Checkpoint, log_name, open_checkpoint
from domain.audit.leaf import leaf_of
from domain.audit.note import NoteNotValid, VerifierKey, Verify
from domain.audit.tree import EMPTY_ROOT, Nodes, append, edge, leaf_hash, root
from domain.identity import TenantId

ENTRIES_MAX = 1000


class LogDamaged(Exception):
    """The stored log is not the one that was signed last. Nothing is added to it, nor signed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrated:
    """How many entries one pass added, and how long the oldest of them had waited."""

    entries: int = 0
    waited_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrateEntries:
    """One pass of the sequencer over one tenant."""

    log: Log
    signer: LogSigner
    canonical: Canonical
    verify: Verify
    entries_max: int = ENTRIES_MAX

    async def __call__(self, *, tenant_id: TenantId) -> Integrated:
        """Nothing is done where another sequencer is at it. Raises LogDamaged."""
        name = log_name(tenant_id)
        async with self.log.begin(tenant_id) as tx:
            if not await tx.lock():
                return Integrated()
            pending = await tx.drain(self.entries_max)
            if not pending:
                return Integrated()
            key = VerifierKey(name=name, public_key=await self.signer.public_key())
            head, nodes = await self._head(tx, key)
            # In a thread: a thousand leaves would keep everyone else on this loop waiting.
            leaves, nodes = await asyncio.to_thread(self._grow, name, head.size, nodes, pending)
            size = head.size + len(leaves)
            checkpoint = Checkpoint(origin=name, size=size, root=root(size, nodes))
            signature = await self.signer.sign(checkpoint.text.encode())
            await tx.append(
                NewEntries(
                    first_index=head.size,
                    event_ids=[each.event.id for each in pending],
                    leaves=leaves,
                    nodes={at: nodes[at] for at in nodes.keys() - set(edge(head.size))},
                    size=size,
                    root=checkpoint.root,
                    note=checkpoint.signed(key, signature),
                )
            )
        waited = max(each.waited_seconds for each in pending)
        return Integrated(entries=len(pending), waited_seconds=waited)

    async def _head(self, tx: LogTransaction, key: VerifierKey) -> tuple[Checkpoint, Nodes]:
        """What was signed last, and the nodes to go on from, which must be what was signed.

        Else whoever can change the tables could have a rewritten log signed.
        """
        note = await tx.checkpoint()
        if note is None:
            return Checkpoint(origin=key.name, size=0, root=EMPTY_ROOT), {}
        try:
            head = open_checkpoint(note, key, self.verify)
        except NoteNotValid as invalid:
            raise LogDamaged("the latest checkpoint is not one that we signed") from invalid
        nodes = await tx.nodes(edge(head.size))
        if set(nodes) != set(edge(head.size)) or root(head.size, nodes) != head.root:
            raise LogDamaged("the stored tree does not have the root that was signed")
        return head, nodes

    def _grow(
        self, name: str, size: int, nodes: Nodes, pending: Sequence[PendingEntry]
    ) -> tuple[Sequence[bytes], Nodes]:
        """The leaves of what is pending, and the old nodes with the new ones."""
        leaves = [
            self.canonical(leaf_of(name, each.event, self.canonical(each.body))) for each in pending
        ]
        return leaves, {**nodes, **append(size, nodes, [leaf_hash(leaf) for leaf in leaves])}
