"""JSON Web Signatures in compact form (RFC 7515) by Ed25519 (RFC 8037), signed by the key service.

joserfc would sign with a private key in hand, which the key service does not give away: so its
encoders frame what is signed, and joserfc itself verifies.
"""

from __future__ import annotations

from typing import Any

from joserfc.jwa import EdDSAAlgorithm
from joserfc.jwk import OKPKey
from joserfc.jws import JWSRegistry
from joserfc.util import json_b64encode, urlsafe_b64encode

from application.vault.key_service import Signer, SigningPurpose

ALGORITHM = "EdDSA"


async def sign_compact(
    signer: Signer, purpose: SigningPurpose, *, header: dict[str, Any], claims: dict[str, Any]
) -> str:
    """`claims` as a signed token. The header gets its `alg`. Raises KeyServiceUnavailable."""
    framed = json_b64encode({"alg": ALGORITHM, **header}) + b"." + json_b64encode(claims)
    signature = urlsafe_b64encode(await signer.sign(purpose, framed))
    return (framed + b"." + signature).decode()


def public_jwk(public_key: bytes) -> OKPKey:
    """A key of 32 bytes, for verification; its `kid` is its thumbprint (RFC 7638)."""
    encoded = urlsafe_b64encode(public_key).decode()
    key = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": encoded})
    parameters = {"use": "sig", "alg": ALGORITHM, "kid": key.thumbprint()}
    return OKPKey.import_key({**key.as_dict(private=False), **parameters})


class _EdDSA(EdDSAAlgorithm):
    # RFC 9864 prefers the name "Ed25519"; few verifiers know it yet, all know this one.
    security_warning = ""


class EdDSAOnly(JWSRegistry):
    """Knows one algorithm: `none`, and HMAC with the public key as its secret, do not exist."""

    def __init__(self) -> None:
        super().__init__(algorithms=[ALGORITHM])
        self.algorithms = {ALGORITHM: _EdDSA()}
