"""Opening C2SP chunked-encryption messages chunk by chunk: c2sp.org/chunked-encryption.

Cobblestone-256: HKDF-SHA-512 (Expand only) derives key, base nonce and commitment of each
message from a 256-bit input key, a salt and a context; every 16 KiB chunk is sealed with
AES-256-GCM, its nonce being the base nonce XOR the chunk's number. A message is

    salt (24 bytes) | commitment (32) | chunk 0 | chunk 1 | ...        chunk = ciphertext | tag (16)

and its last chunk is always shorter than the others, perhaps empty: that is its end mark.
The library that we use writes such messages but reads them from the beginning only.
"""

from __future__ import annotations

import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from application.ports import Tampered

SALT_BYTES = 24
COMMITMENT_BYTES = 32
HEADER_BYTES = SALT_BYTES + COMMITMENT_BYTES
CHUNK_BYTES = 16 * 1024
TAG_BYTES = 16
SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
CHUNKS_MAX = 2**38

_KEY_BYTES = 32
_NONCE_BYTES = 12
_LABEL = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\x00"


def sealed_length(plain_length: int) -> int:
    """The bytes of the message that holds so many bytes of plaintext."""
    full_chunks, rest = divmod(plain_length, CHUNK_BYTES)
    return chunk_offset(full_chunks) + rest + TAG_BYTES


def plain_length(sealed_length: int) -> int:
    """The bytes of plaintext in a message of this length; raises Tampered if none has it.

    What it says is authentic once the last chunk has been opened, and not before.
    """
    full_chunks, rest = divmod(sealed_length - HEADER_BYTES, SEALED_CHUNK_BYTES)
    if sealed_length < HEADER_BYTES or rest < TAG_BYTES:
        raise Tampered("a message was cut: none has this length")
    if full_chunks >= CHUNKS_MAX:
        raise Tampered("a message has more chunks than its format allows")
    return full_chunks * CHUNK_BYTES + rest - TAG_BYTES


def chunk_offset(number: int) -> int:
    """Where in the message a chunk begins; chunks count from 0."""
    return HEADER_BYTES + number * SEALED_CHUNK_BYTES


class Chunks:
    """The chunks of one message."""

    def __init__(self, key: bytes, header: bytes, context: bytes) -> None:
        """Raises Tampered if the header was not made with this key and this context."""
        if len(key) != _KEY_BYTES:
            raise ValueError(f"a key has {_KEY_BYTES} bytes, not {len(key)}")
        if len(header) != HEADER_BYTES:
            raise Tampered("a message was cut within its header")
        salt, commitment = header[:SALT_BYTES], header[SALT_BYTES:]
        derived = HKDFExpand(
            algorithm=SHA512(),
            length=_KEY_BYTES + _NONCE_BYTES + COMMITMENT_BYTES,
            info=_LABEL + salt + context,
        ).derive(key)
        if not hmac.compare_digest(derived[_KEY_BYTES + _NONCE_BYTES :], commitment):
            raise Tampered("a message does not open with this key and in this context")
        self._aead = AESGCM(derived[:_KEY_BYTES])
        self._base_nonce = int.from_bytes(derived[_KEY_BYTES : _KEY_BYTES + _NONCE_BYTES])

    def open(self, number: int, sealed: bytes | bytearray | memoryview) -> bytes:
        """The plaintext of one chunk; raises Tampered if it is not the chunk of this number.

        A chunk that is whole says nothing about whether others follow: that is for the caller,
        who knows the length of the message.
        """
        if not 0 <= number < CHUNKS_MAX or len(sealed) > SEALED_CHUNK_BYTES:
            raise Tampered("a chunk is outside the limits of its format")
        if len(sealed) < TAG_BYTES:
            raise Tampered("a message was cut within a chunk")
        nonce = (self._base_nonce ^ number).to_bytes(_NONCE_BYTES)
        try:
            return self._aead.decrypt(nonce, sealed, None)
        except InvalidTag:
            raise Tampered("a chunk was altered, or is in the wrong place") from None
