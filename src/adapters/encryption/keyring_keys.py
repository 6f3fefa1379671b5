"""What a keyring holds."""

from __future__ import annotations

import os

import msgspec

from application.vault.key_service import RootKeyInUse, SigningPurpose

KEY_BYTES = 32


class KeyringKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Keys of 32 bytes: root keys by version, Ed25519 seeds by purpose, a secret to derive from.

    A version up to `active` that is not in `root` was destroyed. A change is a new object.
    """

    active: int
    root: dict[int, bytes]
    signing: dict[SigningPurpose, bytes]
    derivation: bytes

    def __post_init__(self) -> None:
        if any(len(key) != KEY_BYTES for key in self._all()):
            raise ValueError("a key has the wrong length")
        if self.active not in self.root or not all(1 <= at <= self.active for at in self.root):
            raise ValueError("the versions of the root key do not fit together")
        if set(self.signing) != set(SigningPurpose):
            raise ValueError("a signing key is missing")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(active={self.active})"

    @classmethod
    def fresh(cls) -> KeyringKeys:
        return cls(
            active=1,
            root={1: _random_key()},
            signing={purpose: _random_key() for purpose in SigningPurpose},
            derivation=_random_key(),
        )

    def rotated(self) -> KeyringKeys:
        version = self.active + 1
        return self._with(active=version, root={**self.root, version: _random_key()})

    def without_up_to(self, version: int) -> KeyringKeys:
        if version == self.active:
            raise RootKeyInUse
        if not 1 <= version < self.active:
            raise ValueError(f"there never was a version {version} of the root key")
        return self._with(root={at: key for at, key in self.root.items() if at > version})

    def _with(self, *, root: dict[int, bytes], active: int | None = None) -> KeyringKeys:
        return KeyringKeys(
            active=active or self.active,
            root=root,
            signing=self.signing,
            derivation=self.derivation,
        )

    def _all(self) -> list[bytes]:
        return [*self.root.values(), *self.signing.values(), self.derivation]


def _random_key() -> bytes:
    return os.urandom(KEY_BYTES)
