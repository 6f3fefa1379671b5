"""JSON in the one form of RFC 8785, so that equal content has equal bytes."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import rfc8785

_PLAIN_INTEGER_MAX = 2**53 - 1
_encode = msgspec.json.Encoder(order="sorted").encode


def canonical_json(content: Mapping[str, object]) -> bytes:
    """Raises rfc8785.CanonicalizationError for what JSON cannot hold, such as numbers over 2^53.

    What is plain is written by msgspec, in a twentieth of the time: there its form is the same. It
    differs in numbers with a fraction, and in the order of names beyond ASCII.
    """
    if _is_plain(content):
        try:
            return _encode(content)
        except UnicodeEncodeError:  # half a surrogate pair: refused below, by its name
            pass
    return rfc8785.dumps(content)  # type: ignore[arg-type]


def _is_plain(content: object) -> bool:
    kind = type(content)
    if kind is str or content is None or kind is bool:
        return True
    if kind is int:
        return -_PLAIN_INTEGER_MAX <= content <= _PLAIN_INTEGER_MAX  # type: ignore[operator]
    if kind is list or kind is tuple:
        return all(map(_is_plain, content))  # type: ignore[call-overload]
    if kind is dict:
        return all(
            type(name) is str and name.isascii() and _is_plain(value)
            for name, value in content.items()  # type: ignore[attr-defined]
        )
    return False
