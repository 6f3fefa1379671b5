"""The size of a proof in a log of a million entries, and the time that checking one takes.

    python -m benchmarks proofs [--rounds N] [--entries N]

Beside SHA-256 over the same number of bytes in one call, which no check can be faster than.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from hashlib import sha256

from benchmarks.measure import ROUNDS_MIN, Figures, Goal, by_turns, report
from domain.audit.proof import is_consistent, is_included
from domain.audit.tree import (
    Nodes,
    append,
    consistency_path,
    inclusion_path,
    leaf_hash,
    range_hash,
    root,
)

ENTRIES = 1_000_000
CHECKS = 2_000
INCLUSION, CONSISTENCY, PEER = "inclusion proof", "consistency proof", "SHA-256 of as many bytes"


async def measure(rounds: int, entries: int) -> None:
    nodes: dict[object, bytes] = {}
    nodes.update(append(0, {}, [leaf_hash(b"%d" % n) for n in range(entries)]))
    tree: Nodes = nodes  # type: ignore[assignment]
    head = root(entries, tree)
    chosen = random.Random(7)

    async def included() -> Figures:
        proofs = []
        for index in (chosen.randrange(entries) for _ in range(CHECKS)):
            path = [range_hash(each, tree) for each in inclusion_path(index, entries)]
            proofs.append((index, leaf_hash(b"%d" % index), path))
        began = time.perf_counter()
        for index, leaf, path in proofs:
            assert is_included(leaf_hash=leaf, index=index, size=entries, proof=path, root=head)
        seconds = time.perf_counter() - began
        longest = max(len(path) for _, _, path in proofs)
        return {"check_microseconds": seconds / CHECKS * 1e6, "proof_bytes": 32 * longest}

    async def consistent() -> Figures:
        proofs = []
        for old in (chosen.randrange(1, entries) for _ in range(CHECKS)):
            path = [range_hash(each, tree) for each in consistency_path(old, entries)]
            proofs.append((old, root(old, tree), path))
        began = time.perf_counter()
        for old, old_root, path in proofs:
            assert is_consistent(
                old_size=old, old_root=old_root, new_size=entries, new_root=head, proof=path
            )
        seconds = time.perf_counter() - began
        longest = max(len(path) for _, _, path in proofs)
        return {"check_microseconds": seconds / CHECKS * 1e6, "proof_bytes": 32 * longest}

    async def hashed() -> Figures:
        content = bytes(65 * len(inclusion_path(entries - 1, entries)))
        began = time.perf_counter()
        for _ in range(CHECKS):
            sha256(content).digest()
        return {"check_microseconds": (time.perf_counter() - began) / CHECKS * 1e6}

    sides = {INCLUSION: included, CONSISTENCY: consistent, PEER: hashed}
    measured = await by_turns("proofs", sides, rounds=rounds)
    report(
        measured,
        goals=[
            Goal(figure="proof_bytes", side=INCLUSION, at_most=640),
            Goal(figure="check_microseconds", side=INCLUSION, at_most=50),
        ],
        ratios=[(INCLUSION, PEER)],
        notes=(f"In a tree over {entries:,} leaves; {CHECKS:,} checks in each round.",),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    given = parser.parse_args()
    asyncio.run(measure(given.rounds, given.entries))


if __name__ == "__main__":
    main()
