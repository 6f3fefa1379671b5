"""Refresh tokens: `srr_`, and 64 characters that hold the tenant's id and 256 random bits.

The prefix lets scanners for leaked secrets find them. The tenant is in the token because
row-level security would hide a token whose tenant is not known.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from uuid import UUID

from application.accounts.ports import NewRefreshToken, ReadRefreshToken
from domain.accounts.session import RefreshTokenNotValid
from domain.identity import TenantId

PREFIX = "srr_"
RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True)
class OpaqueRefreshTokens:
    """`RefreshTokens`. With 256 random bits in it a token needs no slow hash, only SHA-256."""

    def new(self, tenant_id: TenantId) -> NewRefreshToken:
        content = tenant_id.bytes + secrets.token_bytes(RANDOM_BYTES)
        text = PREFIX + urlsafe_b64encode(content).decode()
        return NewRefreshToken(text=text, hash=_hash(text))

    def read(self, text: str) -> ReadRefreshToken:
        if not _FORM.fullmatch(text):
            raise RefreshTokenNotValid
        tenant = urlsafe_b64decode(text.removeprefix(PREFIX))[:-RANDOM_BYTES]
        return ReadRefreshToken(tenant_id=TenantId(UUID(bytes=tenant)), hash=_hash(text))


# 48 bytes fill 64 characters exactly: there is one spelling of a token, without padding.
_FORM = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{64}}", re.ASCII)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
