"""Receipts as JWS (RFC 7515) in compact form, signed with Ed25519 (RFC 8037)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

import rfc8785

from application.vault.key_service import Signer, SigningPurpose


@dataclass(frozen=True, slots=True, kw_only=True)
class JwsReceipts:
    """`ReceiptSigner`. The payload is canonical JSON (RFC 8785): one content, one signature."""

    signer: Signer
    issuer: str

    async def sign(self, kind: str, claims: Mapping[str, object]) -> str:
        header = _encoded({"alg": "EdDSA", "typ": f"{kind}+jws", "kid": "receipts"})
        payload = _encoded({"iss": self.issuer, **claims})
        signature = await self.signer.sign(SigningPurpose.RECEIPTS, header + b"." + payload)
        return b".".join((header, payload, _base64(signature))).decode()


def _encoded(value: Mapping[str, object]) -> bytes:
    plain = {key: _plain(item) for key, item in value.items()}
    return _base64(rfc8785.dumps(plain))  # type: ignore[arg-type]


def _plain(value: object) -> object:
    """StrEnum members and tuples are not JSON to the canonicaliser."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _base64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")
