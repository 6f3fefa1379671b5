"""Recovery codes: 120 random bits in six groups of four characters, kept as hashes."""

from __future__ import annotations

import hashlib
import secrets
from base64 import b32encode
from dataclasses import dataclass

RANDOM_BYTES = 15  # fills 24 characters of base32 exactly
GROUP = 4


@dataclass(frozen=True, slots=True)
class RandomRecoveryCodes:
    """`RecoveryCodes`. More than 112 random bits need no slow hash (NIST SP 800-63B, 3.1.2.2)."""

    def new(self) -> str:
        text = b32encode(secrets.token_bytes(RANDOM_BYTES)).decode().lower()
        return "-".join(text[at : at + GROUP] for at in range(0, len(text), GROUP))

    def hash(self, code: str) -> bytes:
        return hashlib.sha256(code.encode()).digest()
