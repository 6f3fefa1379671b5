"""The journal of endings: it only grows, and whatever is altered in it is noticed."""

from __future__ import annotations

import asyncio
import stat
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.encryption.keyring import LocalKeyring
from adapters.files.ending_journal import EndingJournalFile
from adapters.identifiers import uuid7
from application.audit.endings import JournalDamaged
from domain.audit.ending import Ending, EndingKind
from domain.identity import PersonId, TenantId


def ending(kind: EndingKind = EndingKind.DOCUMENT, *, detail: str | None = None) -> Ending:
    return Ending(
        id=uuid7(),
        tenant_id=TenantId(UUID(int=1)),
        kind=kind,
        what=str(uuid7()),
        by=PersonId(uuid7()),
        detail=detail,
        at=datetime.now(UTC),
    )


@pytest.fixture(scope="module")
def keyring(tmp_path_factory: pytest.TempPathFactory) -> LocalKeyring:
    return LocalKeyring.open(tmp_path_factory.mktemp("keys") / "keyring.json", None, create=True)


def journal(directory: Path, keyring: LocalKeyring) -> EndingJournalFile:
    return EndingJournalFile(directory=directory / "fence", secrets=keyring)


async def test_what_was_added_is_read_by_whoever_comes_next(
    tmp_path: Path, keyring: LocalKeyring
) -> None:
    added = [ending(kind, detail="7") for kind in EndingKind]
    first = journal(tmp_path, keyring)
    assert await first.read() == []
    assert await first.add(added[:3]) == 3
    assert await first.add(added[:5]) == 2, "what is there already is not added again"
    assert await journal(tmp_path, keyring).add(added) == len(added) - 5
    assert await first.read() == added
    directory = tmp_path / "fence"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir()} == {0o600}


async def test_several_may_write_at_once(tmp_path: Path, keyring: LocalKeyring) -> None:
    added = [ending() for _ in range(60)]
    writers = [journal(tmp_path, keyring) for _ in range(6)]
    shares = [added[n * 8 : n * 8 + 20] for n in range(6)]  # they overlap
    await asyncio.gather(
        *(
            writer.add([each])
            for writer, share in zip(writers, shares, strict=True)
            for each in share
        )
    )
    found = [each.id for each in await journal(tmp_path, keyring).read()]
    assert sorted(found) == sorted(each.id for each in added)


async def test_a_line_that_was_being_written_is_written_again(
    tmp_path: Path, keyring: LocalKeyring
) -> None:
    added = [ending() for _ in range(3)]
    await journal(tmp_path, keyring).add(added)
    file = tmp_path / "fence" / "endings.journal"
    whole = file.read_bytes()
    last = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    for cut in range(last, len(whole)):
        file.write_bytes(whole[:cut])
        assert await journal(tmp_path, keyring).read() == added[:2]
        assert await journal(tmp_path, keyring).add(added) == 1
        assert file.read_bytes() == whole


async def test_whatever_is_altered_is_noticed(tmp_path: Path, keyring: LocalKeyring) -> None:
    await journal(tmp_path, keyring).add([ending() for _ in range(4)])
    file = tmp_path / "fence" / "endings.journal"
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    altered = [
        b"".join([lines[0], *lines[2:]]),  # left out
        b"".join([lines[1], lines[0], *lines[2:]]),  # moved
        b"".join([*lines, lines[3]]),  # again
        b"\n" + whole,
        whole.replace(b"document", b"consent"),
    ]
    altered += [
        whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(0, len(lines[0]), 3)
    ]
    for each in altered:
        file.write_bytes(each)
        with pytest.raises(JournalDamaged, match="altered"):
            await journal(tmp_path, keyring).read()
        with pytest.raises(JournalDamaged):
            await journal(tmp_path, keyring).add([ending()])
        assert file.read_bytes() == each, "and nothing is added to it"


async def test_the_newest_checkpoint_takes_the_place_of_the_one_before(
    tmp_path: Path, keyring: LocalKeyring
) -> None:
    kept = journal(tmp_path, keyring)
    assert await kept.checkpoint() is None
    for note in ("first\n", "second, of zwölf\n", None, "third\n"):
        await kept.keep_checkpoint(note)
        assert await journal(tmp_path, keyring).checkpoint() == note


@given(kind=st.sampled_from(EndingKind), detail=st.none() | st.text(max_size=40))
async def test_an_ending_is_read_as_it_was_added(
    tmp_path_factory: pytest.TempPathFactory,
    keyring: LocalKeyring,
    kind: EndingKind,
    detail: str | None,
) -> None:
    place = tmp_path_factory.mktemp("journal")
    added = ending(kind, detail=detail)
    await journal(place, keyring).add([added])
    assert await journal(place, keyring).read() == [added]
