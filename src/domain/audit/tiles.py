"""Tiles (c2sp.org/tlog-tiles): the tree and its entries in files that never change.

A tile of level L and index N holds the hashes of 256 nodes side by side, those of height 8 * L from
the place 256 * N on; a bundle holds the entries under a tile of level 0. While the tree is
smaller, there are partial ones of each width that it ever had.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.audit.tree import Position

TILE_WIDTH = 256
LEVEL_MAX = 5
LEAVES_MAX = 2**63
ENTRY_BYTES_MAX = 2**16 - 1
_PATH = re.compile(r"((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """`width` nodes, or entries, from the place 256 * `index` on."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def is_full(self) -> bool:
        return self.width == TILE_WIDTH

    @property
    def start(self) -> int:
        return self.index * TILE_WIDTH

    @property
    def positions(self) -> tuple[Position, ...]:
        height = self.level * 8
        return tuple(Position(height, self.start + each) for each in range(self.width))


def tile_at(level: int, path: str) -> Tile | None:
    """The tile that a path names: `x001/x234/067`, or `000.p/57`; None where it names none."""
    found = _PATH.fullmatch(path)
    if found is None or not 0 <= level <= LEVEL_MAX:
        return None
    index = int(found[1].replace("x", "").replace("/", ""))
    width = int(found[2] or TILE_WIDTH)
    if index_path(index) != found[1] or (found[2] and width >= TILE_WIDTH):
        return None
    if (index + 1) * TILE_WIDTH << level * 8 > LEAVES_MAX:  # in no log, and in no column
        return None
    return Tile(level=level, index=index, width=width)


def index_path(index: int) -> str:
    """Three digits a directory, all but the last with an x in front."""
    groups = [f"{index % 1000:03}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03}")
    return "/".join(groups)


def entry_bundle(entries: Sequence[bytes]) -> bytes:
    """Each entry after its length, a big-endian u16."""
    return b"".join(len(each).to_bytes(2) + each for each in entries)
