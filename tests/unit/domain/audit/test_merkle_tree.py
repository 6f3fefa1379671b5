"""The tree against RFC 6962's own recursive definition, and its proofs against every alteration."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.audit.proof import is_consistent, is_included
from domain.audit.tree import (
    EMPTY_ROOT,
    Nodes,
    Position,
    append,
    consistency_path,
    edge,
    inclusion_path,
    leaf_hash,
    node_hash,
    positions,
    range_hash,
    root,
)

SIZE_MAX = 200
LEAVES = tuple(leaf_hash(str(number).encode()) for number in range(SIZE_MAX))
sizes = st.integers(1, SIZE_MAX)


def merkle_tree_hash(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(merkle_tree_hash(leaves[:split]), merkle_tree_hash(leaves[split:]))


NODES: Nodes = append(0, {}, LEAVES)


def inclusion_proof(index: int, size: int) -> list[bytes]:
    path = inclusion_path(index, size)
    return [range_hash(each, {p: NODES[p] for p in positions(path)}) for each in path]


def consistency_proof(old: int, new: int) -> list[bytes]:
    path = consistency_path(old, new)
    return [range_hash(each, {p: NODES[p] for p in positions(path)}) for each in path]


def test_the_root_is_the_one_that_the_rfc_defines_for_every_size() -> None:
    assert root(0, {}) == EMPTY_ROOT == merkle_tree_hash([])
    for size in range(1, SIZE_MAX + 1):
        only_edge = {position: NODES[position] for position in edge(size)}
        assert root(size, only_edge) == merkle_tree_hash(LEAVES[:size])


def test_a_tree_keeps_a_node_for_each_complete_subtree_and_no_other() -> None:
    expected = {
        Position(level, place)
        for level in range(SIZE_MAX.bit_length())
        for place in range(SIZE_MAX >> level)
    }
    assert set(NODES) == expected


@given(st.lists(st.integers(0, 40), max_size=12))
def test_leaves_appended_in_any_batches_make_the_same_nodes(batches: list[int]) -> None:
    nodes: dict[Position, bytes] = {}
    size = 0
    for batch in batches:
        leaves = LEAVES[size : size + batch]
        added = append(size, {position: nodes[position] for position in edge(size)}, leaves)
        assert not set(added) & set(nodes)
        nodes |= added
        size += len(leaves)
    assert nodes == append(0, {}, LEAVES[:size])


@given(sizes, st.data())
def test_every_leaf_of_every_tree_is_proven(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size)
    assert is_included(
        leaf_hash=LEAVES[index],
        index=index,
        size=size,
        proof=proof,
        root=merkle_tree_hash(LEAVES[:size]),
    )


@given(sizes, st.data())
def test_every_tree_is_proven_to_begin_with_every_smaller_one(
    new: int, data: st.DataObject
) -> None:
    old = data.draw(st.integers(1, new))
    assert is_consistent(
        old_size=old,
        old_root=merkle_tree_hash(LEAVES[:old]),
        new_size=new,
        new_root=merkle_tree_hash(LEAVES[:new]),
        proof=consistency_proof(old, new),
    )


@settings(max_examples=200)
@given(sizes, st.data())
def test_an_inclusion_proof_with_anything_altered_is_rejected(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size)
    tree_root = merkle_tree_hash(LEAVES[:size])

    def accepted(
        leaf: bytes = LEAVES[index],
        at: int = index,
        of: int = size,
        hashes: Sequence[bytes] = proof,
        under: bytes = tree_root,
    ) -> bool:
        return is_included(leaf_hash=leaf, index=at, size=of, proof=hashes, root=under)

    assert accepted()
    assert not accepted(leaf=_flipped(data, LEAVES[index]))
    assert not accepted(under=_flipped(data, tree_root))
    assert not accepted(at=data.draw(st.integers(-1, 2 * size).filter(lambda n: n != index)))
    # Another size can have the same path (leaf 0 of 3 and of 4): then it is the root that differs.
    other = data.draw(st.integers(0, SIZE_MAX).filter(lambda n: n != size))
    assert not accepted(of=other, under=merkle_tree_hash(LEAVES[:other]))
    for altered in _altered(data, proof):
        assert not accepted(hashes=altered)


@settings(max_examples=200)
@given(st.integers(2, SIZE_MAX), st.data())
def test_a_consistency_proof_with_anything_altered_is_rejected(
    new: int, data: st.DataObject
) -> None:
    old = data.draw(st.integers(1, new - 1))
    proof = consistency_proof(old, new)
    old_root, new_root = merkle_tree_hash(LEAVES[:old]), merkle_tree_hash(LEAVES[:new])

    def accepted(
        first: int = old,
        first_root: bytes = old_root,
        second: int = new,
        second_root: bytes = new_root,
        hashes: Sequence[bytes] = proof,
    ) -> bool:
        return is_consistent(
            old_size=first,
            old_root=first_root,
            new_size=second,
            new_root=second_root,
            proof=hashes,
        )

    assert accepted()
    assert not accepted(first_root=_flipped(data, old_root))
    assert not accepted(second_root=_flipped(data, new_root))
    assert not accepted(first_root=new_root, second_root=old_root)
    assert not accepted(first=new, second=old)
    other = data.draw(st.integers(1, SIZE_MAX).filter(lambda n: n not in (old, new)))
    assert not accepted(first=other, first_root=merkle_tree_hash(LEAVES[:other]))
    for altered in _altered(data, proof):
        assert not accepted(hashes=altered)


def test_what_cannot_be_proven_is_not_attempted() -> None:
    for index, size in ((-1, 4), (4, 4), (0, 0)):
        with pytest.raises(ValueError, match="has no leaf"):
            inclusion_path(index, size)
    for old, new in ((0, 4), (5, 4), (0, 0)):
        with pytest.raises(ValueError, match="no consistency proof"):
            consistency_path(old, new)


def _flipped(data: st.DataObject, content: bytes) -> bytes:
    bit = data.draw(st.integers(0, len(content) * 8 - 1))
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def _altered(data: st.DataObject, proof: Sequence[bytes]) -> list[list[bytes]]:
    junk = data.draw(st.binary(min_size=32, max_size=32))
    altered = [[*proof, junk], [junk, *proof]]
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        flipped = list(proof)
        flipped[place] = _flipped(data, proof[place])
        altered += [flipped, list(proof[1:]), list(proof[:-1]), [proof[0], *proof]]
        altered += [[each[:-1] if n == place else each for n, each in enumerate(proof)]]
    return altered
