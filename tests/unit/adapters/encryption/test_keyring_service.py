"""The local keyring keeps the contract of KeyService; and several of them share one file."""

# ruff: noqa: ASYNC240 - a test has its event loop to itself

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.contracts.key_service import KeyServiceContract
from adapters.encryption.keyring import LocalKeyring
from application.ports import DataKey
from application.vault.key_service import (
    KeyService,
    KeyServiceUnavailable,
    RootKeyDestroyed,
    SigningPurpose,
)

CONTEXT = (b"tenant key", b"t1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyring.json"


@pytest.fixture
def keys(path: Path) -> KeyService:
    return LocalKeyring.open(path)


class TestLocalKeyring(KeyServiceContract):
    @pytest.fixture
    def elsewhere(self, keys: KeyService, path: Path) -> KeyService:
        return LocalKeyring.open(path, create=False)

    @pytest.fixture
    def stranger(self, tmp_path: Path) -> KeyService:
        return LocalKeyring.open(tmp_path / "other.json")


async def test_a_destroyed_version_unwraps_nothing_ever_again(keys: KeyService, path: Path) -> None:
    old = await keys.wrap(await keys.generate(), CONTEXT)
    await keys.rotate()
    await keys.destroy(1)
    await keys.destroy(1)
    for service in (keys, LocalKeyring.open(path)):
        for attempt in (service.unwrap, service.rewrap):
            with pytest.raises(RootKeyDestroyed):
                await attempt(old, CONTEXT)


async def test_everything_is_the_same_after_a_restart_and_a_rotation(
    keys: KeyService, path: Path
) -> None:
    key = await keys.generate()
    wrapped = await keys.wrap(key, CONTEXT)
    await keys.rotate()
    again = LocalKeyring.open(path)
    assert await again.unwrap(wrapped, CONTEXT) == key
    assert await again.secret("cursors") == await keys.secret("cursors")
    for purpose in SigningPurpose:
        assert await again.public_key(purpose) == await keys.public_key(purpose)


async def test_a_rotation_elsewhere_reaches_those_who_run_already(
    keys: KeyService, path: Path
) -> None:
    elsewhere = LocalKeyring.open(path)
    old = await keys.wrap(await keys.generate(), CONTEXT)
    assert await elsewhere.rotate() == 2
    new = await elsewhere.wrap(DataKey(bytes(32)), CONTEXT)
    assert await keys.unwrap(new, CONTEXT) == DataKey(bytes(32))
    assert await elsewhere.rotate() == 3
    assert (await keys.wrap(DataKey(bytes(32)), CONTEXT))[:4] == (3).to_bytes(4)
    assert await elsewhere.rotate() == 4
    assert (await keys.rewrap(old, CONTEXT))[:4] == (4).to_bytes(4)
    assert await keys.rotate() == 5


async def test_without_its_file_it_opens_what_it_can_and_wraps_nothing(
    keys: KeyService, path: Path
) -> None:
    wrapped = await keys.wrap(DataKey(bytes(32)), CONTEXT)
    path.unlink()
    assert await keys.unwrap(wrapped, CONTEXT) == DataKey(bytes(32))
    for attempt in (keys.wrap(DataKey(bytes(32)), CONTEXT), keys.rotate(), keys.destroy(1)):
        with pytest.raises(KeyServiceUnavailable):
            await attempt
    assert not path.exists()
