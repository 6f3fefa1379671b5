"""Receipts as JWS (RFC 7515) in compact form, by Ed25519, under a key of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.tokens.jws import sign_compact
from adapters.tokens.signing_keys import SigningKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class JwsReceipts:
    """`ReceiptSigner`. `keys` are those of receipts; anyone finds them in the JWK Set."""

    keys: SigningKeys
    issuer: str

    async def sign(self, kind: str, claims: Mapping[str, object]) -> str:
        kid = (await self.keys.current()).thumbprint()
        return await sign_compact(
            self.keys.signer,
            self.keys.purpose,
            header={"typ": f"{kind}+jws", "kid": kid},
            claims={"iss": self.issuer, **claims},
        )
