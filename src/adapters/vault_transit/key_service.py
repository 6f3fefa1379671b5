"""KeyService on the transit engine of OpenBao or HashiCorp Vault: root and signing keys stay there.

Keys of the engine, each after a prefix: `root` (aes256-gcm96) wraps; `sign-log`, `sign-tokens` and
`sign-receipts` (ed25519) sign; `secrets` (aes256-gcm96) is only used for its HMAC. The context of a
wrapped key is the engine's associated data: neither derived nor convergent keys are used, which
would bind a context into the key or tell equal plaintexts apart from others.

A wrapped key is the version of the root key (u32, big-endian), then nonce, ciphertext and tag, as
in the engine's `vault:v1:...` but in bytes: base64 has several spellings of the same thing.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from adapters.contexts import encode_context
from adapters.vault_transit.client import NotAccepted, NotThere, TransitClient
from adapters.vault_transit.faults import VaultUnusable
from application.ports import Context, DataKey, Tampered
from application.vault.key_service import (
    KeyServiceUnavailable,
    RootKeyDestroyed,
    RootKeyInUse,
    SigningPurpose,
)

KEY_BYTES = 32
ENCRYPTING, SIGNING = "aes256-gcm96", "ed25519"
# Signatures and secrets are to stay the same: whoever rotates these keys by hand changes nothing.
PINNED_VERSION = 1

_VERSION_BYTES = 4
_CIPHERTEXT = re.compile(r"vault:v(?P<version>[0-9]{1,9}):(?P<rest>[A-Za-z0-9+/=]+)")
_WRAPPED_BYTES = _VERSION_BYTES + 12 + KEY_BYTES + 16


class _Key(msgspec.Struct):
    type: str
    latest_version: int
    min_decryption_version: int = 1
    min_available_version: int = 0
    derived: bool = False
    exportable: bool = False
    convergent_encryption: bool = False
    keys: dict[str, msgspec.Raw] = {}


class _PublicKey(msgspec.Struct):
    public_key: str


class _Encrypted(msgspec.Struct):
    ciphertext: str


class _Decrypted(msgspec.Struct):
    plaintext: str


class _Signed(msgspec.Struct):
    signature: str


class _Mac(msgspec.Struct):
    hmac: str


class _Random(msgspec.Struct):
    random_bytes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultTransit:
    """`KeyService`. Each call is one request, rarely two; only public keys are remembered."""

    client: TransitClient
    prefix: str
    _public: dict[SigningPurpose, bytes] = field(default_factory=dict, init=False)

    async def prepare(self, *, create: bool) -> None:
        """Look at every key, after making those that are not there if `create` allows.

        `create=False` where keys are already wrapped: a new root key would open none of them.
        Raises VaultUnusable, or KeyServiceUnavailable.
        """
        wanted = {"root": ENCRYPTING, "secrets": ENCRYPTING}
        wanted |= {f"sign-{purpose}": SIGNING for purpose in SigningPurpose}
        for name, kind in wanted.items():
            try:
                key = await self._key(name)
            except NotThere:
                if not create:
                    raise VaultUnusable(
                        f"The transit engine has no key {self.prefix}-{name}, and keys were "
                        "wrapped before. Restore it, or name the engine that has it."
                    ) from None
                await self.client.tell(f"keys/{self.prefix}-{name}", {"type": kind})
                key = await self._key(name)
            if key.type != kind or key.derived or key.convergent_encryption or key.exportable:
                raise VaultUnusable(
                    f"The key {self.prefix}-{name} of the transit engine has to be of type {kind}, "
                    "and neither derived nor convergent nor exportable."
                )

    async def generate(self) -> DataKey:
        asked = {"format": "base64"}
        answer = await self.client.ask(f"random/{KEY_BYTES}", _Random, asked)
        return DataKey(_decoded(answer.random_bytes))

    async def wrap(self, key: DataKey, context: Context) -> bytes:
        if len(key.secret) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key.secret)}")
        body = {"plaintext": _encoded(key.secret), "associated_data": _associated(context)}
        answer = await self.client.ask(f"encrypt/{self.prefix}-root", _Encrypted, body)
        if (told := _CIPHERTEXT.fullmatch(answer.ciphertext)) is None:
            raise KeyServiceUnavailable
        return int(told["version"]).to_bytes(_VERSION_BYTES) + _decoded(told["rest"])

    async def unwrap(self, wrapped: bytes, context: Context) -> DataKey:
        version = self.version(wrapped)
        ciphertext = f"vault:v{version}:{_encoded(wrapped[_VERSION_BYTES:])}"
        body = {"ciphertext": ciphertext, "associated_data": _associated(context)}
        try:
            answer = await self.client.ask(f"decrypt/{self.prefix}-root", _Decrypted, body)
        except NotAccepted:
            # Why is told in words alone, which differ between releases of the engine.
            if version < (await self._key("root")).min_decryption_version:
                raise RootKeyDestroyed from None
            raise Tampered("a wrapped key does not open in its context") from None
        return DataKey(_decoded(answer.plaintext))

    async def rewrap(self, wrapped: bytes, context: Context) -> bytes:
        """The engine's own rewrap takes no associated data (seen with OpenBao 2.7)."""
        key = await self.unwrap(wrapped, context)
        if self.version(wrapped) == (await self._key("root")).latest_version:
            return wrapped
        return await self.wrap(key, context)

    def version(self, wrapped: bytes) -> int:
        version = int.from_bytes(wrapped[:_VERSION_BYTES])
        if len(wrapped) != _WRAPPED_BYTES or version < 1:
            raise Tampered("a wrapped key was cut, or names no version")
        return version

    async def versions(self) -> Sequence[int]:
        key = await self._key("root")
        return range(max(1, key.min_available_version), key.latest_version + 1)

    async def rotate(self) -> int:
        """Not repeated: an answer that was lost may have been a rotation."""
        await self.client.tell(f"keys/{self.prefix}-root/rotate", {}, repeatable=False)
        return (await self._key("root")).latest_version

    async def destroy(self, version: int) -> None:
        key = await self._key("root")
        if version == key.latest_version:
            raise RootKeyInUse
        if not 1 <= version < key.latest_version:
            raise ValueError(f"there never was a version {version} of the root key")
        if version < key.min_available_version:
            return
        kept = version + 1
        oldest = max(kept, key.min_decryption_version)
        limits = {"min_decryption_version": oldest, "min_encryption_version": oldest}
        await self.client.tell(f"keys/{self.prefix}-root/config", limits)
        await self.client.tell(f"keys/{self.prefix}-root/trim", {"min_available_version": kept})

    async def sign(self, purpose: SigningPurpose, message: bytes) -> bytes:
        body = {"input": _encoded(message), "key_version": PINNED_VERSION}
        answer = await self.client.ask(f"sign/{self.prefix}-sign-{purpose}", _Signed, body)
        return _decoded(answer.signature.rpartition(":")[2])

    async def public_key(self, purpose: SigningPurpose) -> bytes:
        if purpose not in self._public:
            key = await self._key(f"sign-{purpose}")
            try:
                told = msgspec.json.decode(key.keys[str(PINNED_VERSION)], type=_PublicKey)
            except (KeyError, msgspec.MsgspecError):
                raise KeyServiceUnavailable from None
            self._public[purpose] = _decoded(told.public_key)
        return self._public[purpose]

    async def secret(self, purpose: str) -> DataKey:
        """HMAC-SHA256 (RFC 2104) over the purpose, under a key that never leaves the engine."""
        made_of = encode_context((b"secret", purpose.encode()))
        body = {"input": _encoded(made_of), "key_version": PINNED_VERSION}
        answer = await self.client.ask(f"hmac/{self.prefix}-secrets/sha2-256", _Mac, body)
        return DataKey(_decoded(answer.hmac.rpartition(":")[2]))

    async def close(self) -> None:
        await self.client.http.aclose()

    async def _key(self, name: str) -> _Key:
        return await self.client.ask(f"keys/{self.prefix}-{name}", _Key)


def _associated(context: Context) -> str:
    return _encoded(encode_context(context))


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise KeyServiceUnavailable from None  # it answered something else than its interface says
