"""Small values under AES-256-GCM (NIST SP 800-38D): nonce (12 bytes), ciphertext, tag (16).

The nonce is random, which is safe for 2^32 values under one key; no key here comes near.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.contexts import encode_context
from application.ports import Context, DataKey, Tampered

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16


def seal_value(key: DataKey, plaintext: bytes, context: Context) -> bytes:
    """The plaintext and 28 bytes more. Raises ValueError for a key that is not of 256 bits."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + _aead(key).encrypt(nonce, plaintext, encode_context(context))


def open_value(key: DataKey, sealed: bytes, context: Context) -> bytes:
    """Raises Tampered unless `sealed` came from this key and this context, unaltered."""
    aead = _aead(key)
    if len(sealed) < NONCE_BYTES + TAG_BYTES:
        raise Tampered("a sealed value is shorter than its nonce and its tag")
    nonce, ciphertext = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return aead.decrypt(nonce, ciphertext, encode_context(context))
    except InvalidTag:
        raise Tampered("a sealed value does not open in its context") from None


def _aead(key: DataKey) -> AESGCM:
    # AESGCM itself takes shorter keys too, and a key cut by mistake must not pass for one.
    if len(key.secret) != KEY_BYTES:
        raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(key.secret)}")
    return AESGCM(key.secret)
