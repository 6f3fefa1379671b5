"""The library for RFC 8785 is the oracle: what is written faster has the same bytes."""

from __future__ import annotations

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from adapters.encryption.canonical_json import canonical_json

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
CONTENT = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=12,
    ),
)


@given(CONTENT)
def test_it_has_the_bytes_of_the_oracle(content: dict[str, object]) -> None:
    assert canonical_json(content) == rfc8785.dumps(content)  # type: ignore[arg-type]


def test_every_character_of_the_first_plane_is_escaped_as_by_the_oracle() -> None:
    every = "".join(chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000)
    assert canonical_json({"text": every}) == rfc8785.dumps({"text": every})


@pytest.mark.parametrize(
    "content",
    [
        {"too large": 2**53},
        {"too small": -(2**53)},
        {"half": "\ud800"},
        {"not a number": float("nan")},
        {"bytes": b"bytes"},
        {1: "a name that is no text"},
    ],
    ids=["large", "small", "half a pair", "not a number", "bytes", "a number as a name"],
)
def test_what_json_cannot_hold_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_json(content)
