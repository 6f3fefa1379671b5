"""Sealed boxes: HPKE (RFC 9180) in base mode, X25519, HKDF-SHA256, AES-256-GCM."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from adapters.contexts import encode_context
from application.ports import Context, DataKey, Tampered

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class HpkeBoxes:
    """`SealedBoxes`. 48 bytes and about 70 microseconds for each box. Holds nothing."""

    def new_key(self) -> tuple[DataKey, bytes]:
        key = X25519PrivateKey.generate()
        return DataKey(key.private_bytes_raw()), key.public_key().public_bytes_raw()

    def seal(self, public_key: bytes, plaintext: bytes, context: Context) -> bytes:
        """The context is HPKE's `info`: it goes into the key itself."""
        recipient = X25519PublicKey.from_public_bytes(public_key)
        return _SUITE.encrypt(plaintext, recipient, info=encode_context(context))

    def open(self, key: DataKey, sealed: bytes, context: Context) -> bytes:
        recipient = X25519PrivateKey.from_private_bytes(key.secret)
        try:
            return _SUITE.decrypt(sealed, recipient, info=encode_context(context))
        except (InvalidTag, ValueError):
            raise Tampered("a sealed box does not open in its context") from None
