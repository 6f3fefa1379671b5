"""What anyone can seal opens with one key, in one context, unaltered."""

from __future__ import annotations

import pytest

from adapters.encryption.boxes import HpkeBoxes
from application.ports import Tampered

BOXES = HpkeBoxes()
CONTEXT = (b"evidence", b"1")


def test_what_was_sealed_opens_with_the_private_half() -> None:
    key, public_key = BOXES.new_key()
    sealed = BOXES.seal(public_key, b"who, what, when", CONTEXT)
    assert BOXES.open(key, sealed, CONTEXT) == b"who, what, when"
    assert sealed != BOXES.seal(public_key, b"who, what, when", CONTEXT)
    assert b"who" not in sealed


def test_another_key_context_or_byte_opens_nothing() -> None:
    key, public_key = BOXES.new_key()
    other, _ = BOXES.new_key()
    sealed = BOXES.seal(public_key, b"who, what, when", CONTEXT)
    tried = [
        (other, sealed, CONTEXT),
        (key, sealed, (b"evidence", b"2")),
        (key, sealed, (b"evidence1",)),
        (key, sealed[:-1], CONTEXT),
        (key, b"", CONTEXT),
    ]
    for place in range(len(sealed)):
        altered = bytearray(sealed)
        altered[place] ^= 1
        tried.append((key, bytes(altered), CONTEXT))
    for each in tried:
        with pytest.raises(Tampered):
            BOXES.open(*each)
    assert len(tried) > 60
