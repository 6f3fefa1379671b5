"""What a KeyService promises, kept by the local keyring; and several keyrings on one file."""

# ruff: noqa: ASYNC240 - a test has its event loop to itself

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from adapters.encryption.keyring import LocalKeyring
from application.ports import DataKey, Tampered
from application.vault.key_service import (
    KeyService,
    KeyServiceUnavailable,
    RootKeyDestroyed,
    RootKeyInUse,
    SigningPurpose,
)

CONTEXT = (b"tenant key", b"t1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keyring.json"


@pytest.fixture
def keys(path: Path) -> KeyService:
    return LocalKeyring.open(path)


async def test_a_wrapped_key_unwraps_in_its_context(keys: KeyService) -> None:
    key = await keys.generate()
    wrapped = await keys.wrap(key, CONTEXT)
    assert key.secret not in wrapped
    assert len(wrapped) <= 1024
    assert await keys.unwrap(wrapped, CONTEXT) == key


async def test_a_wrapped_key_unwraps_in_no_other_context(keys: KeyService) -> None:
    wrapped = await keys.wrap(await keys.generate(), CONTEXT)
    for other in ((), (b"tenant key", b"t2"), (b"tenant keyt1",), (*CONTEXT, b"")):
        for attempt in (keys.unwrap, keys.rewrap):
            with pytest.raises(Tampered):
                await attempt(wrapped, other)


async def test_an_altered_or_cut_wrapped_key_does_not_unwrap(keys: KeyService) -> None:
    wrapped = await keys.wrap(await keys.generate(), CONTEXT)
    flipped = [
        wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :] for at in range(len(wrapped))
    ]
    for altered in (*flipped, *(wrapped[:cut] for cut in range(len(wrapped))), wrapped + b"\0"):
        with pytest.raises(Tampered):
            await keys.unwrap(altered, CONTEXT)


async def test_what_was_wrapped_before_a_rotation_still_unwraps(keys: KeyService) -> None:
    key = await keys.generate()
    old = await keys.wrap(key, CONTEXT)
    assert await keys.rotate() == 2
    assert await keys.unwrap(old, CONTEXT) == key
    assert (await keys.wrap(key, CONTEXT))[:4] != old[:4]


async def test_it_says_which_versions_there_are_and_which_one_wrapped(keys: KeyService) -> None:
    old = await keys.wrap(await keys.generate(), CONTEXT)
    await keys.rotate()
    await keys.rotate()
    new = await keys.wrap(await keys.generate(), CONTEXT)
    assert (keys.version(old), keys.version(new)) == (1, 3)
    assert await keys.versions() == [1, 2, 3]
    await keys.destroy(2)
    assert await keys.versions() == [1, 3]
    with pytest.raises(Tampered):
        keys.version(b"")


async def test_rewrapping_moves_a_key_to_the_active_version(keys: KeyService) -> None:
    key = await keys.generate()
    old = await keys.wrap(key, CONTEXT)
    assert await keys.rewrap(old, CONTEXT) == old
    await keys.rotate()
    new = await keys.rewrap(old, CONTEXT)
    assert new != old
    assert await keys.rewrap(new, CONTEXT) == new

    await keys.destroy(1)
    assert await keys.unwrap(new, CONTEXT) == key


async def test_a_destroyed_version_unwraps_nothing_ever_again(keys: KeyService, path: Path) -> None:
    old = await keys.wrap(await keys.generate(), CONTEXT)
    await keys.rotate()
    await keys.destroy(1)
    await keys.destroy(1)
    for service in (keys, LocalKeyring.open(path)):
        for attempt in (service.unwrap, service.rewrap):
            with pytest.raises(RootKeyDestroyed):
                await attempt(old, CONTEXT)


async def test_a_wrapped_key_that_claims_another_version_does_not_unwrap(keys: KeyService) -> None:
    wrapped = await keys.wrap(await keys.generate(), CONTEXT)
    await keys.rotate()
    for version in (0, 2, 3, 2**32 - 1):
        with pytest.raises(Tampered):
            await keys.unwrap(version.to_bytes(4) + wrapped[4:], CONTEXT)


async def test_the_active_version_and_one_that_never_was_are_not_destroyed(
    keys: KeyService,
) -> None:
    with pytest.raises(RootKeyInUse):
        await keys.destroy(1)
    for version in (0, -1, 2):
        with pytest.raises(ValueError, match="never was"):
            await keys.destroy(version)
    assert await keys.unwrap(await keys.wrap(DataKey(bytes(32)), CONTEXT), CONTEXT)


async def test_only_keys_of_256_bits_are_wrapped(keys: KeyService) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        await keys.wrap(DataKey(b"short"), CONTEXT)


async def test_signatures_verify_under_the_public_key_of_their_purpose_alone(
    keys: KeyService,
) -> None:
    public = {
        purpose: Ed25519PublicKey.from_public_bytes(await keys.public_key(purpose))
        for purpose in SigningPurpose
    }
    for purpose in SigningPurpose:
        signature = await keys.sign(purpose, b"checkpoint")
        for other, key in public.items():
            if other == purpose:
                key.verify(signature, b"checkpoint")
            else:
                with pytest.raises(InvalidSignature):
                    key.verify(signature, b"checkpoint")


async def test_a_secret_depends_on_its_purpose_and_on_the_keyring(
    keys: KeyService, tmp_path: Path
) -> None:
    cursors = await keys.secret("cursors")
    assert len(cursors.secret) == 32
    assert await keys.secret("cursors") == cursors
    assert await keys.secret("commitments") != cursors
    assert await LocalKeyring.open(tmp_path / "other.json").secret("cursors") != cursors


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


async def test_a_keyring_of_someone_else_unwraps_nothing(keys: KeyService, tmp_path: Path) -> None:
    wrapped = await keys.wrap(await keys.generate(), CONTEXT)
    with pytest.raises(Tampered):
        await LocalKeyring.open(tmp_path / "other.json").unwrap(wrapped, CONTEXT)


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
