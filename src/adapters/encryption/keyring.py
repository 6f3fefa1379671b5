"""KeyService in this process, over a local keyring file: the default, without any other service.

A wrapped key is the version of its root key (u32, big-endian) and a sealed value, bound to that
version and to its context.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from adapters.contexts import encode_context
from adapters.encryption.keyring_faults import KeyringUnusable, PassphraseEmpty
from adapters.encryption.keyring_file import KeyringFile
from adapters.encryption.keyring_keys import KEY_BYTES, KeyringKeys
from adapters.encryption.passphrase import Argon2Cost, Passphrase
from adapters.encryption.sealed import open_value, seal_value
from application.ports import Context, DataKey, Tampered
from application.vault.key_service import (
    KeyServiceUnavailable,
    RootKeyDestroyed,
    SigningPurpose,
)

_VERSION_BYTES = 4

_Answer = TypeVar("_Answer")


class LocalKeyring:
    """Keys stay in memory; the file is read at the start and when another process changed it.

    Wrapping looks whether it did (one stat, off the event loop); unwrapping only when it meets
    a version that is not known yet. So what one process destroys, another forgets when it next
    wraps, rotates or starts. A file that was replaced lingers on the disk and in its backups.
    """

    def __init__(self, file: KeyringFile) -> None:
        self._file = file
        # In this order a change in between is noticed once more, and never missed.
        self._stamp = file.stamp()
        self._keys = file.read()
        self._changing = Lock()
        self._signing_keys = {
            purpose: Ed25519PrivateKey.from_private_bytes(seed)
            for purpose, seed in self._keys.signing.items()
        }

    @classmethod
    def open(
        cls,
        path: Path,
        passphrase: str | None = None,
        *,
        create: bool = True,
        cost: Argon2Cost | None = None,
    ) -> LocalKeyring:
        """Read the keyring, after making it if it is not there and `create` allows. Blocks.

        `create=False` where keys are already wrapped: a new keyring would open none of them.
        `cost` is for sealing from now on. Raises KeyringUnusable, or OSError.
        """
        if passphrase == "":
            raise PassphraseEmpty(path)
        sealing = None if passphrase is None else Passphrase(passphrase, cost or Argon2Cost())
        file = KeyringFile(path, sealing)
        if create:
            file.create_if_missing()
        return cls(file)

    async def generate(self) -> DataKey:
        return DataKey(os.urandom(KEY_BYTES))

    async def wrap(self, key: DataKey, context: Context) -> bytes:
        if len(key.secret) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key.secret)}")
        keys = await self._in_thread(self._current)
        prefix = keys.active.to_bytes(_VERSION_BYTES)
        root = DataKey(keys.root[keys.active])
        return prefix + seal_value(root, key.secret, _bound(prefix, context))

    async def unwrap(self, wrapped: bytes, context: Context) -> DataKey:
        version, keys = _version(wrapped), self._keys
        if version > keys.active:
            keys = await self._in_thread(self._current)
        return _unwrapped(keys, version, wrapped, context)

    async def rewrap(self, wrapped: bytes, context: Context) -> bytes:
        version, keys = _version(wrapped), await self._in_thread(self._current)
        key = _unwrapped(keys, version, wrapped, context)
        return wrapped if version == keys.active else await self.wrap(key, context)

    def version(self, wrapped: bytes) -> int:
        return _version(wrapped)

    async def versions(self) -> Sequence[int]:
        return sorted((await self._in_thread(self._current)).root)

    async def rotate(self) -> int:
        return (await self._in_thread(lambda: self._changed(KeyringKeys.rotated))).active

    async def destroy(self, version: int) -> None:
        await self._in_thread(lambda: self._changed(lambda keys: keys.without_up_to(version)))

    async def sign(self, purpose: SigningPurpose, message: bytes) -> bytes:
        return self._signing_keys[purpose].sign(message)

    async def public_key(self, purpose: SigningPurpose) -> bytes:
        return self._signing_keys[purpose].public_key().public_bytes_raw()

    async def secret(self, purpose: str) -> DataKey:
        """HKDF-SHA256 (RFC 5869)."""
        info = encode_context((b"secret", purpose.encode()))
        derivation = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info)
        return DataKey(derivation.derive(self._keys.derivation))

    def _current(self) -> KeyringKeys:
        with self._changing:
            if (stamp := self._file.stamp()) != self._stamp:
                self._keys, self._stamp = self._file.read(), stamp
            return self._keys

    def _changed(self, change: Callable[[KeyringKeys], KeyringKeys]) -> KeyringKeys:
        with self._changing:
            self._keys = self._file.change(change)
            return self._keys

    async def _in_thread(self, work: Callable[[], _Answer]) -> _Answer:
        try:
            return await asyncio.to_thread(work)
        except (KeyringUnusable, OSError) as error:
            raise KeyServiceUnavailable from error


def _version(wrapped: bytes) -> int:
    if len(wrapped) < _VERSION_BYTES:
        raise Tampered("a wrapped key was cut within its version")
    return int.from_bytes(wrapped[:_VERSION_BYTES])


def _unwrapped(keys: KeyringKeys, version: int, wrapped: bytes, context: Context) -> DataKey:
    root = keys.root.get(version)
    if root is None and 1 <= version < keys.active:
        raise RootKeyDestroyed
    if root is None:
        raise Tampered("a wrapped key names a version of the root key that never was")
    prefix, sealed = wrapped[:_VERSION_BYTES], wrapped[_VERSION_BYTES:]
    return DataKey(open_value(DataKey(root), sealed, _bound(prefix, context)))


def _bound(prefix: bytes, context: Context) -> Context:
    return (b"wrapped key", prefix, *context)
