"""What stands for the whole text of a version where the text itself must not be told.

A commitment, made as the log makes its own: HMAC-SHA256 under a key that HMAC-SHA256 derives from
a secret, here the version's data key. Not a bare hash: an answer names its versions to people who
may see a few passages, and who could guess at the rest of a short letter, or of a form, until its
hash comes out; and what was erased could be confirmed from any old answer. This one tells nothing
without its key, which goes to those alone who are given all of the text. With the data key goes
the last way to make it again.
"""

from __future__ import annotations

import hmac

KEY_BYTES = 32
_LABEL = b"strongroom text commitment"


def text_key(data_key: bytes) -> bytes:
    """32 bytes, from which the data key cannot be had back."""
    return hmac.digest(data_key, _LABEL, "sha256")


def text_commitment(key: bytes, text: bytes) -> bytes:
    """32 bytes. `text` is the extracted text in UTF-8, in which spans count."""
    # One length of key: HMAC pads a shorter one with zeros, so two keys could open one value.
    if len(key) != KEY_BYTES:
        raise ValueError("the key of a commitment has 32 bytes")
    return hmac.digest(key, text, "sha256")
