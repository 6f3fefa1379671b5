"""Cipher over AES-256-GCM: values whole, streams by C2SP chunked-encryption."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.contexts import encode_context
from adapters.encryption import chunked
from adapters.encryption.sealed import open_value, seal_value
from adapters.encryption.streams import open_range, seal_pieces
from application.ports import Context, DataKey


class AesGcmCipher:
    """Holds nothing; one serves every key, task and thread.

    A value has no commitment to its key, while a stream has: whoever holds two keys could
    craft a value that opens under both, so never find out who someone is by trying keys.
    """

    def new_key(self) -> DataKey:
        return DataKey(AESGCM.generate_key(256))

    def seal(self, key: DataKey, plaintext: bytes, context: Context) -> bytes:
        return seal_value(key, plaintext, context)

    def open(self, key: DataKey, sealed: bytes, context: Context) -> bytes:
        return open_value(key, sealed, context)

    def seal_stream(
        self, key: DataKey, plaintext: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        return seal_pieces(key.secret, encode_context(context), plaintext)

    def open_stream(
        self,
        key: DataKey,
        read: Callable[[int, int], AsyncIterator[bytes]],
        context: Context,
        *,
        sealed_length: int,
        start: int,
        end: int,
    ) -> AsyncGenerator[bytes]:
        return open_range(
            key.secret,
            encode_context(context),
            read,
            sealed_length=sealed_length,
            start=start,
            end=end,
        )

    def plain_length(self, sealed_length: int) -> int:
        """Raises Tampered if no stream has this length."""
        return chunked.plain_length(sealed_length)
