"""Wycheproof's vectors of the primitives that we build on, tried through what we build of them.

Where our form is narrower than the primitive (one length of key, of nonce, of tag, one algorithm),
what is outside of it must be refused.
"""

from __future__ import annotations

import hmac
import json
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry

from adapters.encryption.chunked import HEADER_BYTES, Chunks
from adapters.encryption.sealed import KEY_BYTES, NONCE_BYTES, _aead, open_value
from adapters.encryption.signatures import ed25519_verify
from adapters.tokens.jws import EdDSAOnly, public_jwk
from application.ports import DataKey, Tampered
from entrypoints.verifier.reading import ed25519_verify as verifier_verify

Vector = dict[str, Any]
Vectors = Callable[[str], Iterator[Vector]]


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> Vectors:
    """Those of a file, each with what its group says of it."""

    def read(name: str) -> Iterator[Vector]:
        for group in json.loads((shared_data / "vectors" / f"{name}_test.json").read_text())[
            "testGroups"
        ]:
            said = {key: value for key, value in group.items() if key != "tests"}
            yield from ({**said, **vector} for vector in group["tests"])

    return read


@pytest.mark.parametrize("verify", [ed25519_verify, verifier_verify], ids=["ours", "verifier's"])
def test_signatures_hold_exactly_where_they_should(
    vectors: Vectors, verify: Callable[[bytes, bytes, bytes], bool]
) -> None:
    found = list(vectors("ed25519"))
    for each in found:
        key, sig, msg = (
            _bytes(text) for text in (each["publicKey"]["pk"], each["sig"], each["msg"])
        )
        assert verify(key, sig, msg) is (each["result"] == "valid"), each["comment"]
    assert len(found) == 151


def test_values_open_exactly_where_they_should(
    vectors: Vectors, figure: Callable[[str], None]
) -> None:
    """With an empty context associated data are empty. Other data than a context in its encoding
    are none of ours: they open where they should under the same AEAD, and in no context."""
    opened = Counter[str]()
    for each in vectors("aes_gcm"):
        key, aad = DataKey(_bytes(each["key"])), _bytes(each["aad"])
        nonce, ciphertext = _bytes(each["iv"]), _bytes(each["ct"] + each["tag"])
        if each["keySize"] != KEY_BYTES * 8:
            with pytest.raises(ValueError, match="32 bytes"):
                open_value(key, nonce + ciphertext, ())
            opened["refused, of another length of key"] += 1
        elif each["result"] == "valid" and len(nonce) == NONCE_BYTES and not aad:
            assert open_value(key, nonce + ciphertext, ()) == _bytes(each["msg"]), each["comment"]
            opened["opened"] += 1
        else:
            for context in ((), (aad,)):
                with pytest.raises(Tampered):
                    open_value(key, nonce + ciphertext, context)
            if each["result"] == "valid" and len(nonce) == NONCE_BYTES:
                assert _aead(key).decrypt(nonce, ciphertext, aad) == _bytes(each["msg"])
                opened["opened with other associated data"] += 1
            else:
                opened["refused"] += 1
    figure(f"{dict(opened)} of {opened.total()}")
    assert opened.total() == 316
    assert opened["opened"] + opened["opened with other associated data"] == 39


@pytest.mark.parametrize(
    ("name", "algorithm", "count"), [("hkdf_sha256", SHA256(), 86), ("hkdf_sha512", SHA512(), 83)]
)
def test_keys_are_derived_as_they_should(
    vectors: Vectors, name: str, algorithm: SHA256 | SHA512, count: int
) -> None:
    """In one step, as the keyring does, and by expanding alone, as streams do."""
    found = list(vectors(name))
    for each in found:
        secret, salt, info = (_bytes(each[part]) for part in ("ikm", "salt", "info"))
        extracted = hmac.digest(salt or bytes(algorithm.digest_size), secret, algorithm.name)
        whole = partial(HKDF, algorithm=algorithm, salt=salt or None, info=info)
        expanding = partial(HKDFExpand, algorithm=algorithm, info=info)
        if each["result"] == "invalid":  # longer than 255 digests
            for derivation in (whole, expanding):
                with pytest.raises(ValueError, match=r"larger"):
                    derivation(length=each["size"])
        else:
            expected = _bytes(each["okm"])
            assert whole(length=each["size"]).derive(secret) == expected, each["comment"]
            assert expanding(length=each["size"]).derive(extracted) == expected, each["comment"]
    assert len(found) == count


def test_streams_of_the_smaller_key_are_none_of_ours(vectors: Vectors) -> None:
    found = list(vectors("c2sp_chunked_encryption_aes_128_gcm"))
    for each in found:
        key, context = _bytes(each["key"]), _bytes(each["ctx"])
        with pytest.raises(ValueError, match="32 bytes"):
            Chunks(key, bytes(HEADER_BYTES), context)
    assert len(found) == 35


def test_no_signature_of_another_algorithm_is_accepted(vectors: Vectors) -> None:
    """Not with the key that it was made with, and not with one of ours."""
    registry, ours, tried = EdDSAOnly(), public_jwk(bytes(32)), 0
    for each in vectors("json_web_signature"):
        theirs = JWKRegistry.import_key(each.get("public") or each["private"])
        for key in (theirs, ours):
            with pytest.raises((JoseError, ValueError, TypeError)):
                jws.deserialize_compact(_text(each["jws"]), key, registry=registry)
            tried += 1
    assert tried == 2 * 401


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text)


def _text(given: str | dict[str, Any]) -> str:
    return given if isinstance(given, str) else json.dumps(given)
