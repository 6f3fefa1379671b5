"""KeyService: the root of all keys, and the keys that sign. They never leave it.

It is three abilities, so that whoever needs one need not be given the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from application.ports import Context, DataKey
from domain.errors import Conflict, Refusal, Unavailable


class KeyServiceUnavailable(Unavailable):
    """The key service does not answer; nothing was disclosed and nothing was changed."""

    code = "key_service_unavailable"


class RootKeyDestroyed(Refusal):
    """The root key that wrapped this was destroyed: what it protected is gone for good."""

    code = "root_key_destroyed"


class RootKeyInUse(Conflict):
    """The active version of the root key cannot be destroyed; rotate first."""

    code = "root_key_in_use"


class SigningPurpose(StrEnum):
    """What a signing key vouches for. Each purpose has its own key."""

    LOG = "log"
    TOKENS = "tokens"
    RECEIPTS = "receipts"


class WrappingKeys(Protocol):
    """Wraps keys under a root key that has versions: one is active, older ones only unwrap.

    Every method raises KeyServiceUnavailable when the service is absent, slow or down.
    """

    async def generate(self) -> DataKey:
        """A new random key, from the service's own source of randomness."""
        ...

    async def wrap(self, key: DataKey, context: Context) -> bytes:
        """Under the version that is active now, in whichever process it was made so.

        At most 1 KiB, and it says its version. Only this context will unwrap it.
        """
        ...

    async def unwrap(self, wrapped: bytes, context: Context) -> DataKey:
        """Raises Tampered for another context or altered bytes, and RootKeyDestroyed."""
        ...

    async def rewrap(self, wrapped: bytes, context: Context) -> bytes:
        """The same key under the active version; `wrapped` itself if it is there already.

        Raises as `unwrap` does.
        """
        ...

    def version(self, wrapped: bytes) -> int:
        """The version that it says it is wrapped under; raises Tampered if it says none."""
        ...

    async def versions(self) -> Sequence[int]:
        """Those that were not destroyed, in their order: the last is the active one."""
        ...

    async def rotate(self) -> int:
        """Make a new version active and return it; versions count from 1."""
        ...

    async def destroy(self, version: int) -> None:
        """Make what is wrapped under this version or an older one unreadable for ever.

        Again is no harm. First rewrap, and count what is left only when every transaction that
        began before `rotate` has ended: one of them may yet store something wrapped before it.
        Raises RootKeyInUse for the active version, ValueError for one that never was.
        """
        ...


class Signer(Protocol):
    """Ed25519 (RFC 8032) signatures. Raises KeyServiceUnavailable like WrappingKeys."""

    async def sign(self, purpose: SigningPurpose, message: bytes) -> bytes:
        """64 bytes over the message itself; formats (JWS, signed note) frame it before."""
        ...

    async def public_key(self, purpose: SigningPurpose) -> bytes:
        """32 bytes."""
        ...


class Secrets(Protocol):
    """Keys for MACs, commitments and cursors. Raises KeyServiceUnavailable like WrappingKeys."""

    async def secret(self, purpose: str) -> DataKey:
        """Always the same for a purpose, and independent of every other; rotation leaves it."""
        ...


class KeyService(WrappingKeys, Signer, Secrets, Protocol):
    """All three."""
