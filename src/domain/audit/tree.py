"""The Merkle tree of RFC 6962, section 2.1, kept as the hashes of its complete subtrees.

Complete subtrees never change once they are there, so the tree is append-only by its form: a
log of any size is extended, and proven about, from some dozens of stored hashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()


class Position(NamedTuple):
    """The complete subtree over the leaves [place << level, (place + 1) << level).

    A tuple, because thousands are made in one go.
    """

    level: int
    place: int


class Range(NamedTuple):
    """The leaves [start, end)."""

    start: int
    end: int


Nodes = Mapping[Position, bytes]
"""Hashes of complete subtrees."""


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def edge(size: int) -> tuple[Position, ...]:
    """The complete subtrees that a tree of this size is made of, the largest first."""
    return _cover(Range(0, size))


def append(size: int, nodes: Nodes, leaf_hashes: Sequence[bytes]) -> dict[Position, bytes]:
    """The nodes to be added when these leaves follow the first `size`.

    `nodes` holds at least `edge(size)`. The result never contains a node that was there before.
    """
    added: dict[Position, bytes] = {}
    for index, hash_ in enumerate(leaf_hashes, start=size):
        position = Position(0, index)
        added[position] = hash_
        while position.place & 1:  # a right child completes its parent
            left = Position(position.level, position.place - 1)
            hash_ = node_hash(added.get(left) or nodes[left], hash_)
            position = Position(position.level + 1, position.place >> 1)
            added[position] = hash_
    return added


def root(size: int, nodes: Nodes) -> bytes:
    """The root over the first `size` leaves, from at least `edge(size)`."""
    return range_hash(Range(0, size), nodes) if size else EMPTY_ROOT


def inclusion_path(index: int, size: int) -> tuple[Range, ...]:
    """The ranges whose hashes prove that leaf `index` is in a tree of `size`: PATH(m, D[n])."""
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    start, end, path = 0, size, list[Range]()
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(Range(middle, end))
            end = middle
        else:
            path.append(Range(start, middle))
            start = middle
    return tuple(reversed(path))


def consistency_path(old: int, new: int) -> tuple[Range, ...]:
    """The ranges whose hashes prove that `new` leaves begin with the `old` ones: PROOF(m, D[n])."""
    if not 1 <= old <= new:
        raise ValueError(f"there is no consistency proof from {old} to {new} leaves")
    start, end, path = 0, new, list[Range]()
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(Range(middle, end))
            end = middle
        else:
            path.append(Range(start, middle))
            start = middle
    if start:  # else the old tree is a complete subtree, whose root the verifier has
        path.append(Range(start, end))
    return tuple(reversed(path))


def positions(path: Iterable[Range]) -> frozenset[Position]:
    """The nodes that the hashes of these ranges are computed from."""
    return frozenset(position for range_ in path for position in _cover(range_))


def range_hash(range_: Range, nodes: Nodes) -> bytes:
    """MTH of the leaves of a range that is not empty and that some path named."""
    *larger, last = (nodes[position] for position in _cover(range_))
    for left in reversed(larger):
        last = node_hash(left, last)
    return last


def _cover(range_: Range) -> tuple[Position, ...]:
    """Complete subtrees side by side; `start` is a multiple of the largest one's size."""
    start, end = range_
    covered = []
    while start < end:
        level = (end - start).bit_length() - 1
        covered.append(Position(level, start >> level))
        start += 1 << level
    return tuple(covered)


def _split(size: int) -> int:
    """The largest power of two that is smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)
