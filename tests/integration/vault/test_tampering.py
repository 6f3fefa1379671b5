"""Whatever a superuser does to what is sealed, nobody is shown anything else: it is refused.

What was put back as a whole, as it once was, is not noticed here but by those who keep checkpoints
of the log. A pointer that is turned back to an earlier version shows that version, as what it is.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from adapters.encryption.chunked import HEADER_BYTES, SEALED_CHUNK_BYTES, TAG_BYTES
from adapters.postgres.engine import Database
from application.ports import Tampered
from domain.errors import Refusal
from tests.integration.conftest import new_caller, new_tenant, plugged_together
from tests.integration.vault.belongings import Belongings, belongings_of
from tests.integration.vault.moved_rows import Move, moves
from tests.integration.vault.sealed_cells import (
    NOT_SEALED,
    SEALED,
    SEALED_ELSEWHERE,
    Cell,
    Superuser,
    cut_and_extended,
    flips,
    sampled,
    superuser,
)

EVERY_BYTE_UP_TO = 256
SAMPLES = 24
SECONDS_MAX = 5.0


@dataclass
class World:
    """Asha and Bela of one tenant, Cora of another; each has one of everything."""

    root: Superuser
    asha: Belongings
    bela: Belongings
    cora: Belongings
    truth: dict[str, bytes]
    cells: dict[str, list[Cell]]
    outcomes: Counter[str] = field(default_factory=Counter)
    accepted: list[str] = field(default_factory=list)
    untouched: list[str] = field(default_factory=list)

    async def try_reading(self, reader: str, what: str) -> None:
        """Asha reads. She is refused by name, within a bound; or shown nothing but the truth."""
        try:
            async with asyncio.timeout(SECONDS_MAX):
                found = await self.asha.readers[reader]()
        except Tampered:
            self.outcomes["noticed"] += 1
        except Refusal as refused:
            self.outcomes[type(refused).__name__] += 1
        else:
            if not found:
                self.outcomes["nothing shown"] += 1
                return
            truly = found == self.truth[reader]
            self.outcomes["untouched" if truly else "accepted"] += 1
            (self.untouched if truly else self.accepted).append(f"{reader}, {what}")

    async def try_value(self, cell: Cell, sealed: bytes, what: str) -> None:
        if sealed == cell.sealed:
            return
        await self.root.put(cell, sealed)
        try:
            await self.try_reading(cell.reader, f"{cell.table}.{cell.column}: {what}")
        finally:
            await self.root.put(cell, cell.sealed)

    def told(self) -> str:
        tried = sum(self.outcomes.values())
        return f"{len(self.accepted)} of {tried} accepted; {dict(self.outcomes.most_common())}"


@pytest.fixture(scope="module")
async def world(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    async with plugged_together(database, tmp_path_factory.mktemp("tampering")) as container:
        async with container.postgres_signals().listening():
            one, other = await new_tenant(database), await new_tenant(database)
            people = [await new_caller(database, each) for each in (one, one, other)]
            words = ("heron", "stork", "crane")
            things = [
                await belongings_of(container, caller, word)
                for caller, word in zip(people, words, strict=True)
            ]
            await container.run_executor().drain(1)
        connection = await database.connect("postgres")
        try:
            async with superuser(connection) as root:
                asha, bela, cora = things
                truth = {name: await read() for name, read in asha.readers.items()}
                cells = {each.word: await root.cells(each) for each in things}
                await root.keep([one, other])
                yield World(root, asha, bela, cora, truth, cells)
        finally:
            await connection.close()


@pytest.fixture(autouse=True)
def _nothing_tried_yet(world: World) -> None:
    world.outcomes, world.accepted, world.untouched = Counter(), [], []


async def test_every_column_of_bytes_is_known_to_be_sealed_or_not(world: World) -> None:
    found = await world.root.connection.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type = 'bytea'"
    )
    columns = {(row["table_name"], row["column_name"]) for row in found}
    assert columns == SEALED.keys() | SEALED_ELSEWHERE | NOT_SEALED


async def test_every_sealed_column_is_tried_and_everyone_can_read_what_they_have(
    world: World,
) -> None:
    tried = {(cell.table, cell.column) for cell in world.cells["heron"]}
    assert tried == SEALED.keys()
    read = {cell.reader for cell in world.cells["heron"]}
    assert read == world.asha.readers.keys() - {"newest", "end of the new version", "storing"}
    for each in (world.bela, world.cora):
        for name, read in each.readers.items():
            mine = (await read()).replace(each.word.encode(), b"heron")
            assert len(mine) == len(world.truth[name]), name


@pytest.mark.slow
async def test_one_flipped_bit_anywhere_is_noticed(
    world: World, figure: Callable[[str], None]
) -> None:
    for cell in _one_of_each_kind(world.cells["heron"]):
        positions = _positions(cell)
        for at, altered in zip(positions, flips(cell.sealed, positions), strict=True):
            await world.try_value(cell, altered, f"a flipped bit in byte {at}")
    figure(world.told())
    assert (world.accepted, world.untouched) == ([], [])


@pytest.mark.slow
async def test_what_is_cut_or_extended_is_noticed(
    world: World, figure: Callable[[str], None]
) -> None:
    for cell in _one_of_each_kind(world.cells["heron"]):
        borders = _borders(len(cell.sealed)) if cell.table == "blob_parts" else []
        for altered in cut_and_extended(cell.sealed, borders):
            what = "extended" if altered.startswith(cell.sealed) else "cut"
            await world.try_value(cell, altered, f"{what}: {len(altered)} bytes")
    figure(world.told())
    assert world.accepted == []
    # Nobody reads what lies behind the end of a content.
    assert [each for each in world.untouched if "blob_parts.bytes: extended" not in each] == []


@pytest.mark.slow
async def test_no_value_stands_in_for_another(world: World, figure: Callable[[str], None]) -> None:
    """Of another place of one's own, of somebody else, of another tenant, of an earlier version."""
    mine = world.cells["heron"]
    others = [*world.cells["stork"], *world.cells["crane"]]
    for cell in _one_of_each_kind(mine):
        counterparts = [each for each in others if each.kind == cell.kind][::3]
        alike = [each for each in mine if (each.table, each.column) == (cell.table, cell.column)]
        for other in {*counterparts, *alike, *_one_of_each_column(mine)}:
            what = f"that of {other.table}.{other.column}, {other.reader}"
            await world.try_value(cell, other.sealed, what)
    figure(world.told())
    assert (world.accepted, world.untouched) == ([], [])


@pytest.mark.slow
async def test_no_row_stands_in_for_another(world: World, figure: Callable[[str], None]) -> None:
    for each in moves(world.asha, world.bela, world.cora):
        await world.root.move(each)
        try:
            await world.try_reading(each.reader, each.what)
        finally:
            await world.root.put_back(each)
    for name, read in world.asha.readers.items():
        assert await read() == world.truth[name], "all was put back"
    assert await world.root.of_no_tenant() == 0, "and nothing was left in other places"
    figure(world.told())
    assert (world.accepted, world.untouched) == ([], [])


async def test_a_pointer_that_is_turned_back_shows_an_earlier_version_as_what_it_is(
    world: World,
) -> None:
    back = Move(
        "", "", (f"UPDATE documents SET current_version = 1 WHERE id = '{world.asha.long}'",)
    )
    await world.root.move(back)
    try:
        assert await world.asha.readers["newest"]() == world.truth["old version"]
    finally:
        await world.root.put_back(back)
    assert await world.asha.readers["newest"]() == world.truth["new version"]


def _one_of_each_kind(cells: list[Cell]) -> list[Cell]:
    return list({cell.kind: cell for cell in reversed(cells)}.values())


def _one_of_each_column(cells: list[Cell]) -> list[Cell]:
    return list({(cell.table, cell.column): cell for cell in reversed(cells)}.values())


def _positions(cell: Cell) -> list[int]:
    """Every byte of small values; of a stream all kinds of places; of the others, samples."""
    if cell.table == "blob_parts":
        return _of_stream(len(cell.sealed))
    is_one_of_many = cell.table == "data_keys" and cell.reader != "title"
    if len(cell.sealed) <= EVERY_BYTE_UP_TO and not is_one_of_many:
        return list(range(len(cell.sealed)))
    return [*range(13), *sampled(len(cell.sealed), SAMPLES)]


def _of_stream(length: int) -> list[int]:
    """The header byte by byte; of each chunk its first byte, one within, both ends of its tag."""
    positions = set(range(HEADER_BYTES))
    for border in [HEADER_BYTES, *_borders(length)]:
        positions |= {border, border + 8_000, border - 1, border - TAG_BYTES}
    positions |= {length - 1, length - TAG_BYTES}
    return sorted(at for at in positions if 0 <= at < length)


def _borders(length: int) -> list[int]:
    return list(range(HEADER_BYTES + SEALED_CHUNK_BYTES, length, SEALED_CHUNK_BYTES))
