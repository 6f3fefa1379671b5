"""Attestations say of one answer what it was made from, and nothing else."""

from __future__ import annotations

from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.audit.attestation import Attestation, manifest_digest, open_attestation
from domain.audit.note import NoteNotValid, VerifierKey, signed_note
from domain.audit.promise import open_promise
from entrypoints.verifier.reading import ed25519_verify

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey(name="strongroom.local/7f", public_key=PRIVATE.public_key().public_bytes_raw())
ATTESTATION = Attestation(
    log=KEY.name, run_id=UUID(int=7), manifest_digest=manifest_digest(b'{"v":1}')
)


def noted(text: str) -> str:
    return signed_note(text, KEY, PRIVATE.sign(text.encode()))


def test_what_was_signed_is_read_again() -> None:
    assert open_attestation(noted(ATTESTATION.text), KEY, ed25519_verify) == ATTESTATION


@pytest.mark.parametrize(
    "text",
    [
        ATTESTATION.text.replace("/answer", "/promise"),
        ATTESTATION.text.replace("7f", "8f"),
        ATTESTATION.text + "more\n",
        ATTESTATION.text.replace("run 0", "run g"),
        ATTESTATION.text.replace("run 00000000-0000", "run 000000000000-"),
        f"{KEY.name}/answer\nrun {UUID(int=7)}\nmanifest {'A' * 43}=\n"[:-3] + "\n",
    ],
)
def test_a_note_of_another_kind_attests_nothing(text: str) -> None:
    with pytest.raises(NoteNotValid):
        open_attestation(noted(text), KEY, ed25519_verify)


def test_an_attestation_is_no_promise() -> None:
    with pytest.raises(NoteNotValid):
        open_promise(noted(ATTESTATION.text), KEY, ed25519_verify)


def test_another_key_attests_nothing() -> None:
    other = VerifierKey(name=KEY.name, public_key=bytes(31) + b"\x01")
    with pytest.raises(NoteNotValid):
        open_attestation(noted(ATTESTATION.text), other, ed25519_verify)
