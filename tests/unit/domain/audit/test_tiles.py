"""Tiles are named as the specification names them, and in no other way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.audit.tiles import Tile, entry_bundle, index_path, tile_at
from domain.audit.tree import Position


@pytest.mark.parametrize(
    ("index", "path"),
    [(0, "000"), (67, "067"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067")],
)
def test_an_index_is_written_in_groups_of_three_digits(index: int, path: str) -> None:
    assert index_path(index) == path
    assert tile_at(0, path) == Tile(level=0, index=index)


@given(st.integers(0, 2**55 - 1), st.integers(0, 5), st.integers(1, 255))
def test_every_tile_is_found_under_its_path(index: int, level: int, width: int) -> None:
    index >>= level * 8
    assert tile_at(level, index_path(index)) == Tile(level=level, index=index)
    partial = Tile(level=level, index=index, width=width)
    assert tile_at(level, f"{index_path(index)}.p/{width}") == partial


@pytest.mark.parametrize(
    "path",
    ["", "0", "00", "0000", "x000/001", "001/002", "x01/002", "000.p/0", "000.p/256", "000.p/01",
     "000.p/", "000.p", "-01", "000/", "/000", "x001/x234/067.p/257", "٠٠٠", "000\n",
     "x001/" * 9 + "000"],
)  # fmt: skip
def test_what_is_not_written_so_names_no_tile(path: str) -> None:
    assert tile_at(0, path) is None


def test_there_are_no_levels_beyond_the_largest_tree() -> None:
    assert tile_at(6, "000") is None
    assert tile_at(-1, "000") is None


@pytest.mark.parametrize(("level", "index"), [(0, 2**55), (0, 10**21 - 1), (5, 2**15)])
def test_there_are_no_tiles_beyond_the_largest_tree(level: int, index: int) -> None:
    assert tile_at(level, index_path(index)) is None
    assert tile_at(level, f"{index_path(index)}.p/1") is None
    assert tile_at(level, index_path((2**55 >> level * 8) - 1)) is not None


def test_a_tile_holds_nodes_side_by_side_eight_levels_apart() -> None:
    tile = Tile(level=1, index=2, width=3)
    assert tile.positions == (Position(8, 512), Position(8, 513), Position(8, 514))


def test_a_bundle_holds_entries_after_their_lengths() -> None:
    assert entry_bundle([b"ab", b"", b"c" * 300]) == b"\0\2ab\0\0\x01\x2c" + b"c" * 300
