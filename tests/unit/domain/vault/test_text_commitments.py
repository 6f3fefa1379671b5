"""What stands for a text says nothing of it, and stands for no other."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.audit.leaf import commitment
from domain.vault.text_commitment import text_commitment, text_key

KEY = bytes(range(32))


@given(text=st.binary(), other=st.binary(), secret=st.binary(min_size=32, max_size=32))
def test_it_is_that_of_one_text_under_one_key(text: bytes, other: bytes, secret: bytes) -> None:
    made = text_commitment(text_key(secret), text)
    assert len(made) == 32
    assert made == commitment(text_key(secret), text)  # as the verifier makes it
    assert (made == text_commitment(text_key(secret), other)) is (text == other)
    assert made != sha256(text).digest()
    assert made != text_commitment(hmac.digest(text_key(secret), b"", "sha256"), text)


def test_the_same_text_in_two_versions_is_not_told_to_be_the_same() -> None:
    first, second = (text_commitment(text_key(bytes([each]) * 32), b"yes") for each in (1, 2))
    assert first != second


def test_a_key_is_not_the_data_key_and_has_one_length() -> None:
    assert text_key(KEY) != KEY
    with pytest.raises(ValueError, match="32 bytes"):
        text_commitment(KEY[:31], b"yes")
