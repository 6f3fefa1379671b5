"""Reading a signed receipt (JWS, RFC 7515) with nothing but the published keys (RFC 7517)."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class ReceiptNotSigned(Exception):
    """None of the published keys signed this."""


def claims_of(receipt: str, published: dict[str, Any]) -> dict[str, Any]:
    """What a receipt says. Raises ReceiptNotSigned unless the key that it names signed it."""
    header, payload, signature = receipt.split(".")
    named = json.loads(_bytes(header))
    for key in published["keys"]:
        if key["kid"] == named["kid"] and named["alg"] == "EdDSA":
            try:
                public_key = Ed25519PublicKey.from_public_bytes(_bytes(key["x"]))
                public_key.verify(_bytes(signature), f"{header}.{payload}".encode())
            except InvalidSignature:
                break
            claims: dict[str, Any] = json.loads(_bytes(payload))
            return claims
    raise ReceiptNotSigned


def altered(receipt: str, at: bytes, instead: bytes) -> str:
    """The receipt with other words in it, under the signature that it had."""
    header, payload, signature = receipt.split(".")
    changed = _bytes(payload).replace(at, instead)
    return ".".join((header, base64.urlsafe_b64encode(changed).rstrip(b"=").decode(), signature))


def _bytes(encoded: str) -> bytes:
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
