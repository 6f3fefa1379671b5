"""Small values, and the encoding of the context they are bound to."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapters.contexts import encode_context
from adapters.encryption.cipher import AesGcmCipher
from application.ports import Cipher, DataKey, Tampered

CIPHER: Cipher = AesGcmCipher()
KEY = CIPHER.new_key()

contexts = st.lists(st.binary(max_size=6), max_size=4)


@given(st.binary(max_size=200), contexts)
def test_a_value_opens_in_its_own_context(plaintext: bytes, context: list[bytes]) -> None:
    sealed = CIPHER.seal(KEY, plaintext, context)
    assert len(sealed) == len(plaintext) + 28
    assert CIPHER.open(KEY, sealed, context) == plaintext


@given(contexts, contexts)
def test_a_value_opens_in_no_other_context(context: list[bytes], other: list[bytes]) -> None:
    assume(context != other)
    sealed = CIPHER.seal(KEY, b"a title", context)
    with pytest.raises(Tampered):
        CIPHER.open(KEY, sealed, other)


@given(contexts, contexts)
def test_two_contexts_never_have_one_encoding(one: list[bytes], other: list[bytes]) -> None:
    assert (encode_context(one) == encode_context(other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([b"a", b"bc"], [b"ab", b"c"]),
        ([b"a"], [b"a", b""]),
        ([], [b""]),
        ([b"a\x00\x00\x00\x01b"], [b"a", b"b"]),
        ([b"tenant", b"owner"], [b"owner", b"tenant"]),
    ],
)
def test_fields_cannot_be_shifted_into_each_other(one: list[bytes], other: list[bytes]) -> None:
    with pytest.raises(Tampered):
        CIPHER.open(KEY, CIPHER.seal(KEY, b"value", one), other)


def test_the_encoding_of_a_context_stays_as_it_is() -> None:
    """What is stored was sealed with it."""
    assert encode_context((b"ab", b"")) == b"\x00\x00\x00\x02ab\x00\x00\x00\x00"


@given(st.binary(max_size=40), st.data())
def test_one_flipped_bit_is_noticed(plaintext: bytes, draw: st.DataObject) -> None:
    sealed = bytearray(CIPHER.seal(KEY, plaintext, (b"c",)))
    at = draw.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= 1 << draw.draw(st.integers(0, 7))
    with pytest.raises(Tampered):
        CIPHER.open(KEY, bytes(sealed), (b"c",))


def test_a_value_that_was_cut_or_extended_does_not_open() -> None:
    sealed = CIPHER.seal(KEY, b"0123456789", ())
    for altered in (*(sealed[:cut] for cut in range(len(sealed))), sealed + b"\0"):
        with pytest.raises(Tampered):
            CIPHER.open(KEY, altered, ())


def test_another_key_opens_nothing() -> None:
    with pytest.raises(Tampered):
        CIPHER.open(CIPHER.new_key(), CIPHER.seal(KEY, b"value", ()), ())


def test_the_same_value_never_has_the_same_ciphertext() -> None:
    assert len({CIPHER.seal(KEY, b"value", ()) for _ in range(1000)}) == 1000


def test_new_keys_have_256_bits_and_differ() -> None:
    keys = {CIPHER.new_key().secret for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {32}


@pytest.mark.parametrize("secret", [b"", b"k" * 16, b"k" * 31, b"k" * 33])
def test_a_key_of_another_length_is_refused_for_values(secret: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        CIPHER.seal(DataKey(secret), b"", ())
    with pytest.raises(ValueError, match="32 bytes"):
        CIPHER.open(DataKey(secret), bytes(28), ())
