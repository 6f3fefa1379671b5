"""The whole tree, computed from its entries: for auditors, who may read all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from domain.audit.checkpoint import Checkpoint
from domain.audit.note import VerifierKey
from domain.audit.tiles import TILE_WIDTH, index_path
from domain.audit.tree import EMPTY_ROOT, leaf_hash, node_hash
from entrypoints.verifier.findings import Findings, NotChecked, require
from entrypoints.verifier.history import trusted_checkpoint
from entrypoints.verifier.reading import canonical
from entrypoints.verifier.service import TOKEN_VARIABLE, Service


def check_whole_tree(key: VerifierKey, service: Service, findings: Findings) -> Checkpoint:
    """Every entry is canonical, of this log and there once; all have the root that was signed."""
    latest = trusted_checkpoint(service.text("/v1/audit/checkpoint"), key)
    seen: set[str] = set()
    roots: list[tuple[int, bytes]] = []  # complete subtrees, the largest first: (leaves, hash)
    for index, leaf in enumerate(_leaves(service, latest.size)):
        facts = json.loads(leaf)
        is_canonical = canonical(facts) == leaf
        require(is_canonical, "leaf_not_canonical", f"entry {index} is not canonical JSON")
        require(facts["log"] == key.name, "other_log", f"entry {index} is of another log")
        new = facts["event_id"] not in seen
        require(new, "repeated", f"entry {index} tells of an event that is there before")
        seen.add(facts["event_id"])
        node = (1, leaf_hash(leaf))
        while roots and roots[-1][0] == node[0]:
            leaves, left = roots.pop()
            node = (leaves * 2, node_hash(left, node[1]))
        roots.append(node)
    found = roots.pop()[1] if roots else EMPTY_ROOT
    while roots:
        found = node_hash(roots.pop()[1], found)
    signed = found == latest.root
    require(signed, "other_root", f"the {latest.size} entries do not have the root that was signed")
    findings.ok(
        "tree", f"the root was computed from all {latest.size} entries, and is the signed one"
    )
    return latest


def _leaves(service: Service, size: int) -> Iterator[bytes]:
    """From entry bundles (c2sp.org/tlog-tiles): each entry after its length, a big-endian u16."""
    for index in range((size + TILE_WIDTH - 1) // TILE_WIDTH):
        width = min(TILE_WIDTH, size - index * TILE_WIDTH)
        part = "" if width == TILE_WIDTH else f".p/{width}"
        content = _entries(service, f"/v1/audit/tile/entries/{index_path(index)}{part}")
        for _ in range(width):
            length = int.from_bytes(content[:2])
            leaf, content = content[2 : 2 + length], content[2 + length :]
            if len(leaf) != length:
                raise NotChecked(f"the entries of tile {index} are cut")
            yield leaf


def _entries(service: Service, path: str) -> bytes:
    """What the service answers to others is as if there were no such tile."""
    try:
        return service.content(path)
    except NotChecked as refused:
        if refused.status not in (401, 403, 404):
            raise
        raise NotChecked(
            f"the entries of the log were not shown, so the tree could not be computed: {refused}"
            f" They are for auditors; is the token in {TOKEN_VARIABLE} of one?",
            refused.status,
        ) from None
