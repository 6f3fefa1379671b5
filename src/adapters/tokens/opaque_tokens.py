"""Opaque tokens: a prefix, and 72 characters of the tenant's id, 256 random bits and a checksum.

By prefix and checksum scanners for leaked secrets find them, and know them from what only looks
like one. The tenant is in the token because row-level security would hide a token whose tenant is
not known.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from application.ports import NewToken, ReadToken
from domain.identity import TenantId

REFRESH = "srr_"
GRANT = "srg_"
LINK = "srl_"
CLIENT = "srs_"

RANDOM_BYTES = 32
CHECKSUM_BYTES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefixedTokens:
    """`OpaqueTokens` of one kind, which the prefix tells from others.

    With 256 random bits in it a token needs no slow hash, only SHA-256. It is found by its hash,
    not by itself: how long that takes tells about hashes, from which no token follows.
    """

    prefix: str

    def new(self, tenant_id: TenantId) -> NewToken:
        return self._token(tenant_id, secrets.token_bytes(RANDOM_BYTES))

    def derived(self, tenant_id: TenantId, *, secret: str, label: str) -> NewToken:
        message = b"strongroom token\x00" + self.prefix.encode() + b"\x00" + label.encode()
        return self._token(tenant_id, hmac.digest(secret.encode(), message, "sha256"))

    def _token(self, tenant_id: TenantId, random: bytes) -> NewToken:
        content = tenant_id.bytes + random
        text = self.prefix + urlsafe_b64encode(content + self._checksum(content)).decode()
        return NewToken(text=text, hash=_hash(text))

    def read(self, text: str) -> ReadToken | None:
        # 54 bytes fill 72 characters exactly: there is one spelling of a token, without padding.
        encoded = text.removeprefix(self.prefix)
        if not text.startswith(self.prefix) or not _ENCODED.fullmatch(encoded):
            return None
        whole = urlsafe_b64decode(encoded)
        content, checksum = whole[:-CHECKSUM_BYTES], whole[-CHECKSUM_BYTES:]
        if not hmac.compare_digest(checksum, self._checksum(content)):
            return None
        tenant_id = TenantId(UUID(bytes=content[:-RANDOM_BYTES]))
        return ReadToken(tenant_id=tenant_id, hash=_hash(text))

    def _checksum(self, content: bytes) -> bytes:
        return hashlib.sha256(self.prefix.encode() + content).digest()[:CHECKSUM_BYTES]


_ENCODED = re.compile(r"[A-Za-z0-9_-]{72}", re.ASCII)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
