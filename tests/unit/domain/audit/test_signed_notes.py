"""Notes, keys, checkpoints and proofs as text: what others write is read, what is off is not."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from adapters.encryption.signatures import ed25519_verify
from domain.audit.checkpoint import Checkpoint, open_checkpoint
from domain.audit.note import NoteNotValid, VerifierKey, open_note, signed_note
from domain.audit.tlog_proof import TlogProof

# The example in the documentation of Go's golang.org/x/mod/sumdb/note.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"  # noqa: E501
)

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEY = VerifierKey(name="log.example/1", public_key=PRIVATE.public_key().public_bytes_raw())
CHECKPOINT = Checkpoint(origin=KEY.name, size=7, root=bytes(range(32)))
NOTE = CHECKPOINT.signed(KEY, PRIVATE.sign(CHECKPOINT.text.encode()))


def signed(text: str) -> str:
    return signed_note(text, KEY, PRIVATE.sign(text.encode()))


def test_a_note_signed_by_another_implementation_is_opened() -> None:
    key = VerifierKey.parse(GO_KEY)
    assert key.printed == GO_KEY
    assert open_note(GO_NOTE, key, ed25519_verify).startswith("If you think")


def test_a_checkpoint_comes_back_as_it_was_signed() -> None:
    assert open_checkpoint(NOTE, KEY, ed25519_verify) == CHECKPOINT
    assert VerifierKey.parse(f"{KEY.printed}\n") == KEY


@given(st.integers(0, len(NOTE) - 1), st.characters(codec="utf-8"))
def test_a_checkpoint_with_any_character_altered_is_refused(place: int, other: str) -> None:
    altered = NOTE[:place] + other + NOTE[place + 1 :]
    if altered != NOTE:
        with pytest.raises(NoteNotValid):
            open_checkpoint(altered, KEY, ed25519_verify)


def test_signatures_of_witnesses_are_passed_over() -> None:
    witness = "— witness.example AAAAAAAA\n"
    assert open_checkpoint(NOTE + witness, KEY, ed25519_verify) == CHECKPOINT
    text = NOTE.partition("\n\n")[0] + "\n\n"
    for note in (text + witness, text, text.rstrip("\n") + "\n"):
        with pytest.raises(NoteNotValid):
            open_checkpoint(note, KEY, ed25519_verify)


def test_a_second_bad_signature_of_the_same_key_spoils_the_note() -> None:
    line = NOTE.partition("\n\n")[2]
    bad = signed("something else\n").partition("\n\n")[2]
    assert open_checkpoint(NOTE + line, KEY, ed25519_verify) == CHECKPOINT
    with pytest.raises(NoteNotValid, match="does not fit"):
        open_checkpoint(NOTE + bad, KEY, ed25519_verify)


@pytest.mark.parametrize(
    "text",
    [
        "log.example/2\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "log.example/1\n07\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "log.example/1\n-7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "log.example/1\n٧\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "log.example/1\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\n",
        "log.example/1\n7\nAAECAw==\n",
        "log.example/1\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nextension\n",
        "log.example/1\n7\n",
        "\n",
    ],
)
def test_what_is_signed_but_no_checkpoint_of_this_log_is_refused(text: str) -> None:
    with pytest.raises(NoteNotValid):
        open_checkpoint(signed(text), KEY, ed25519_verify)


@pytest.mark.parametrize(
    "printed",
    [
        GO_KEY.replace("c74f20a3", "c74f20a4"),
        GO_KEY.replace("+A", "+B"),
        GO_KEY.replace("Peter", "Peter "),
        "PeterNeumann+c74f20a3",
        "PeterNeumann+c74f20a3+AQ==",
        "",
    ],
)
def test_a_key_that_is_not_whole_is_refused(printed: str) -> None:
    with pytest.raises(NoteNotValid):
        VerifierKey.parse(printed)


@given(st.integers(0, 2**60), st.lists(st.binary(min_size=32, max_size=32), max_size=60))
def test_a_proof_comes_back_from_its_text(index: int, hashes: list[bytes]) -> None:
    proof = TlogProof(index=index, hashes=tuple(hashes), checkpoint=NOTE)
    assert TlogProof.parse(proof.text) == proof
    with_extra = proof.text.replace("@v1\n", "@v1\nextra AAAA\n", 1)
    assert TlogProof.parse(with_extra) == proof


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1\n",
        "c2sp.org/tlog-proof@v1\nindex 1\n",
        "c2sp.org/tlog-proof@v2\nindex 1\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 01\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\nnote\n",
        "c2sp.org/tlog-proof@v1\nindex 1\n????\n\nnote\n",
        "c2sp.org/tlog-proof@v1\n\nnote\n",
    ],
)
def test_a_malformed_proof_is_refused(text: str) -> None:
    with pytest.raises(NoteNotValid):
        TlogProof.parse(text)
