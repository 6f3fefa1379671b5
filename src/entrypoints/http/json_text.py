"""JSON (RFC 8259) read strictly: what two parsers could read differently is refused."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from entrypoints.http.refusals import InvalidFields, NotJson, WrongField

DEPTH_MAX = 32


def parse_json(text: bytes, *, pointer: str = "") -> Any:
    """The value of a JSON text, in plain Python objects.

    Refuses by NotJson: text that is not UTF-8 or not JSON, keys given twice, numbers that no
    double holds, nesting deeper than DEPTH_MAX. Refuses by InvalidFields, with a pointer below
    `pointer`: lone surrogates and NUL, which UTF-8 and the database cannot hold.
    """
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotJson(f"The body is not UTF-8 (byte {error.start}).") from None
    try:
        value = _DECODER.decode(decoded.strip(_WHITESPACE))
    except json.JSONDecodeError as error:
        raise NotJson(f"The body is not valid JSON (character {error.pos}).") from None
    except RecursionError:
        raise NotJson(_TOO_DEEP) from None
    # Only an escape can bring a surrogate or NUL, only many brackets can nest deeply: the walk
    # is spared for the rest.
    if b"\\u" in text or text.count(b"[") + text.count(b"{") > DEPTH_MAX:
        wrong: list[WrongField] = []
        _walk(value, pointer, 0, wrong)
        if wrong:
            raise InvalidFields(wrong)
    return value


def below(pointer: str, token: str | int) -> str:
    """The pointer (RFC 6901) of a member of what `pointer` names; overlong names are cut."""
    return f"{pointer}/{str(token)[:128].replace('~', '~0').replace('/', '~1')}"


_WHITESPACE = " \t\n\r"
_TOO_DEEP = f"The JSON is nested more than {DEPTH_MAX} levels deep."
_ERRORS_MAX = 100


def _walk(value: Any, pointer: str, depth: int, wrong: list[WrongField]) -> None:
    if isinstance(value, str):
        if (reason := _unstorable(value)) and len(wrong) < _ERRORS_MAX:
            wrong.append(WrongField(pointer, reason))
        return
    if not isinstance(value, dict | list):
        return
    if depth >= DEPTH_MAX:
        raise NotJson(_TOO_DEEP)
    for token, member in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(token, str) and (reason := _unstorable(token)):
            raise NotJson(f"A name in the JSON is not accepted: {reason}")
        _walk(member, below(pointer, token), depth + 1, wrong)


def _unstorable(text: str) -> str | None:
    if "\x00" in text:
        return "NUL is not accepted in text."
    try:
        text.encode()
    except UnicodeEncodeError:
        return "The text contains half of a surrogate pair."
    return None


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise NotJson("A name occurs twice in one JSON object.")
    return members


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise NotJson("A number is too large.")
    return number


def _whole(digits: str) -> int:
    if len(digits) > 20:
        raise NotJson("A number is too large.")
    return int(digits)


def _no_constant(_: str) -> NoReturn:
    raise NotJson("NaN and Infinity are not JSON.")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members,
    parse_float=_finite,
    parse_int=_whole,
    parse_constant=_no_constant,
)
