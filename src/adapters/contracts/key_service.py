"""What every KeyService keeps to. Subclass KeyServiceContract and give three fixtures:

    class TestMyKeys(KeyServiceContract):
        @pytest.fixture
        async def keys(self) -> KeyService: ...               # its root key has one version

        @pytest.fixture
        async def elsewhere(self, keys) -> KeyService: ...    # the same keys, in another process

        @pytest.fixture
        async def stranger(self) -> KeyService: ...    # keys of its own

The tests are coroutines: run them with pytest-asyncio, `asyncio_mode = "auto"`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from application.ports import DataKey, Tampered
from application.vault.key_service import (
    KeyService,
    RootKeyDestroyed,
    RootKeyInUse,
    SigningPurpose,
)

CONTEXT = (b"tenant key", b"t1")
WRAPPED_BYTES_MAX = 1024
AT_ONCE = 16


class KeyServiceContract:
    """Each test needs fresh fixtures: versions are made and destroyed here."""

    async def test_it_makes_keys_of_256_bits_and_never_the_same(self, keys: KeyService) -> None:
        made = [await keys.generate() for _ in range(AT_ONCE)]
        assert {len(key.secret) for key in made} == {32}
        assert len({key.secret for key in made}) == len(made)

    async def test_a_wrapped_key_unwraps_in_its_context_here_and_elsewhere(
        self, keys: KeyService, elsewhere: KeyService
    ) -> None:
        key = await keys.generate()
        wrapped = await keys.wrap(key, CONTEXT)
        assert key.secret not in wrapped
        assert len(wrapped) <= WRAPPED_BYTES_MAX
        assert await keys.unwrap(wrapped, CONTEXT) == key
        assert await elsewhere.unwrap(wrapped, CONTEXT) == key

    async def test_wrapping_again_gives_other_bytes(self, keys: KeyService) -> None:
        key = await keys.generate()
        wrapped = {await keys.wrap(key, CONTEXT) for _ in range(AT_ONCE)}
        assert len(wrapped) == AT_ONCE

    async def test_it_unwraps_in_no_other_context(self, keys: KeyService) -> None:
        wrapped = await keys.wrap(await keys.generate(), CONTEXT)
        for other in ((), (b"tenant key", b"t2"), (b"tenant keyt1",), (*CONTEXT, b"")):
            await _refused(Tampered, keys.unwrap(wrapped, other))
            await _refused(Tampered, keys.rewrap(wrapped, other))

    async def test_altered_or_cut_it_does_not_unwrap(self, keys: KeyService) -> None:
        wrapped = await keys.wrap(await keys.generate(), CONTEXT)
        flipped = [
            wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :]
            for at in range(len(wrapped))
        ]
        cut = [wrapped[:length] for length in range(len(wrapped))]
        for altered in (*flipped, *cut, wrapped + b"\0", wrapped + b"\n"):
            await _refused(Tampered, keys.unwrap(altered, CONTEXT))

    async def test_a_stranger_unwraps_nothing(self, keys: KeyService, stranger: KeyService) -> None:
        wrapped = await keys.wrap(await keys.generate(), CONTEXT)
        await _refused(Tampered, stranger.unwrap(wrapped, CONTEXT))

    async def test_only_keys_of_256_bits_are_wrapped(self, keys: KeyService) -> None:
        await _refused(ValueError, keys.wrap(DataKey(b"short"), CONTEXT))

    async def test_what_was_wrapped_before_a_rotation_still_unwraps(
        self, keys: KeyService, elsewhere: KeyService
    ) -> None:
        key = await keys.generate()
        old = await keys.wrap(key, CONTEXT)
        assert await keys.rotate() == 2
        assert await keys.unwrap(old, CONTEXT) == key
        new = await elsewhere.wrap(key, CONTEXT)
        assert (keys.version(old), keys.version(new)) == (1, 2)
        assert await keys.unwrap(new, CONTEXT) == key
        assert list(await elsewhere.versions()) == [1, 2]

    async def test_rewrapping_moves_a_key_to_the_active_version(self, keys: KeyService) -> None:
        key = await keys.generate()
        old = await keys.wrap(key, CONTEXT)
        assert await keys.rewrap(old, CONTEXT) == old
        await keys.rotate()
        new = await keys.rewrap(old, CONTEXT)
        assert keys.version(new) == 2
        assert await keys.rewrap(new, CONTEXT) == new
        await keys.destroy(1)
        assert await keys.unwrap(new, CONTEXT) == key

    async def test_a_destroyed_version_and_older_ones_unwrap_nothing_ever_again(
        self, keys: KeyService
    ) -> None:
        key = await keys.generate()
        old = []
        for _ in range(3):
            old.append(await keys.wrap(key, CONTEXT))
            await keys.rotate()
        await keys.destroy(2)
        await keys.destroy(2)
        await keys.destroy(1)
        assert list(await keys.versions()) == [3, 4]
        for wrapped in old[:2]:
            await _refused(RootKeyDestroyed, keys.unwrap(wrapped, CONTEXT))
            await _refused(RootKeyDestroyed, keys.rewrap(wrapped, CONTEXT))
        assert await keys.unwrap(old[2], CONTEXT) == key

    async def test_the_active_version_and_one_that_never_was_are_not_destroyed(
        self, keys: KeyService
    ) -> None:
        await _refused(RootKeyInUse, keys.destroy(1))
        for version in (0, -1, 2):
            await _refused(ValueError, keys.destroy(version))
        assert await keys.unwrap(await keys.wrap(DataKey(bytes(32)), CONTEXT), CONTEXT)

    async def test_one_that_claims_another_version_does_not_unwrap(self, keys: KeyService) -> None:
        first = await keys.wrap(await keys.generate(), CONTEXT)
        await keys.rotate()
        second = await keys.wrap(await keys.generate(), CONTEXT)
        head = next(at for at in range(len(first)) if first[at] != second[at]) + 1
        for forged in (second[:head] + first[head:], first[:head] + second[head:]):
            await _refused(Tampered, keys.unwrap(forged, CONTEXT))

    async def test_many_at_once_do_not_mix(self, keys: KeyService, elsewhere: KeyService) -> None:
        made = [await keys.generate() for _ in range(AT_ONCE)]

        async def there_and_back(number: int) -> DataKey:
            context = (b"number", bytes([number]))
            wrapped = await (keys, elsewhere)[number % 2].wrap(made[number], context)
            return await keys.unwrap(wrapped, context)

        async def rotated() -> None:
            await keys.rotate()

        *found, _ = await asyncio.gather(*map(there_and_back, range(AT_ONCE)), rotated())
        assert found == made

    async def test_signatures_verify_under_the_public_key_of_their_purpose_alone(
        self, keys: KeyService
    ) -> None:
        public = {purpose: await keys.public_key(purpose) for purpose in SigningPurpose}
        for purpose in SigningPurpose:
            for message in (b"", b"checkpoint", bytes(range(256)) * 64):
                signature = await keys.sign(purpose, message)
                assert len(signature) == 64
                holding = [
                    other for other, key in public.items() if _holds(key, signature, message)
                ]
                assert holding == [purpose]

    async def test_a_secret_depends_on_its_purpose_and_on_the_keys(
        self, keys: KeyService, elsewhere: KeyService, stranger: KeyService
    ) -> None:
        cursors = await keys.secret("cursors")
        assert len(cursors.secret) == 32
        assert await elsewhere.secret("cursors") == cursors
        assert await keys.secret("commitments") != cursors
        assert await stranger.secret("cursors") != cursors

    async def test_rotation_leaves_signatures_and_secrets_as_they_are(
        self, keys: KeyService
    ) -> None:
        secret = await keys.secret("cursors")
        public = [await keys.public_key(purpose) for purpose in SigningPurpose]
        await keys.rotate()
        await keys.destroy(1)
        assert await keys.secret("cursors") == secret
        assert [await keys.public_key(purpose) for purpose in SigningPurpose] == public


def _holds(public_key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


async def _refused(kind: type[Exception], attempt: Awaitable[object]) -> None:
    try:
        await attempt
    except kind:
        return
    raise AssertionError(f"it was expected to raise {kind.__name__}")
