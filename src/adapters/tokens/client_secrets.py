"""Client secrets: opaque tokens, kept as HMAC-SHA256 (RFC 2104) under a key of the key service.

With 256 random bits a secret needs no slow hash. The key has another use: with a copy of the
database alone nobody can tell whether a secret that they came by is one of its secrets, nor put a
hash in of one that they know.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from adapters.tokens.opaque_tokens import CLIENT, PrefixedTokens
from application.ports import DataKey, NewToken, ReadToken
from application.vault.key_service import Secrets
from domain.identity import TenantId

PURPOSE = "client secrets"


@dataclass(slots=True, kw_only=True)
class KeyedClientSecrets:
    """`ClientSecrets`. The key is asked for once."""

    secrets: Secrets
    _tokens: PrefixedTokens = field(default=PrefixedTokens(prefix=CLIENT), init=False)
    _key: DataKey | None = field(default=None, init=False, repr=False)

    async def new(self, tenant_id: TenantId) -> NewToken:
        token = self._tokens.new(tenant_id)
        return NewToken(text=token.text, hash=await self._keyed(token.hash))

    async def read(self, text: str) -> ReadToken | None:
        read = self._tokens.read(text)
        if read is None:
            return None
        return ReadToken(tenant_id=read.tenant_id, hash=await self._keyed(read.hash))

    async def _keyed(self, plain_hash: bytes) -> bytes:
        if self._key is None:
            self._key = await self.secrets.secret(PURPOSE)
        return hmac.digest(self._key.secret, b"client secret\x01" + plain_hash, "sha256")
