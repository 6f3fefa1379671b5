"""From plain objects to a msgspec Struct, naming every field that is wrong, not just the first."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from entrypoints.http.json_text import below
from entrypoints.http.refusals import InvalidFields, WrongField

T = TypeVar("T")

Convert = Callable[[Any, Any], Any]
"""Turns one plain value into one type, raising msgspec.ValidationError."""


def read_value(plain: Any, kind: Any, *, convert: Convert = msgspec.convert) -> Any:
    """`plain` as `kind`: a Struct, or anything that msgspec converts to.

    Raises InvalidFields with every wrong, missing and unknown field. The one conversion that
    succeeds costs no walk; only a refusal is looked into field by field.
    """
    try:
        return convert(plain, kind)
    except msgspec.ValidationError:
        wrong: list[WrongField] = []
        for error in _wrong(plain, kind, "", convert):
            wrong.append(error)
            if len(wrong) == _ERRORS_MAX:
                break
        raise InvalidFields(wrong) from None


_ERRORS_MAX = 100
_MISSING = "This is required and missing."
_UNKNOWN = "There is no such field here."


def _wrong(plain: Any, kind: Any, pointer: str, convert: Convert) -> Iterator[WrongField]:
    try:
        convert(plain, kind)
        return
    except msgspec.ValidationError as refused:
        whole = WrongField(
            pointer + _inner_pointer(refused), f"{_message(refused)}{_choices(kind)}"
        )
    found = False
    for error in _wrong_inside(plain, _fitting_member(plain, kind), pointer, convert):
        found = True
        yield error
    if not found:
        yield whole


def _wrong_inside(plain: Any, kind: Any, pointer: str, convert: Convert) -> Iterator[WrongField]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(plain, dict) and _is_struct(origin or kind):
        yield from _wrong_fields(plain, kind, pointer, convert)
    elif isinstance(plain, list) and origin in _COLLECTIONS and arguments:
        for index, item in enumerate(plain):
            yield from _wrong(item, arguments[0], below(pointer, index), convert)
    elif isinstance(plain, dict) and origin is dict:
        for name, item in plain.items():
            yield from _wrong(item, arguments[1], below(pointer, name), convert)


def _wrong_fields(
    plain: dict[str, Any], kind: type[Struct], pointer: str, convert: Convert
) -> Iterator[WrongField]:
    shape = (typing.get_origin(kind) or kind).__struct_config__
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for name, field in fields.items():
        if name in plain:
            yield from _wrong(plain[name], field.type, below(pointer, name), convert)
        elif field.required:
            yield WrongField(below(pointer, name), _MISSING)
    if shape.forbid_unknown_fields:
        for name in plain:
            if name not in fields and name != shape.tag_field:
                yield WrongField(below(pointer, name), _UNKNOWN)


def _fitting_member(plain: Any, kind: Any) -> Any:
    """Of a union, the member that the value seems meant for; else the type itself, bare."""
    while typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    if typing.get_origin(kind) not in (typing.Union, types.UnionType):
        return kind
    for member in typing.get_args(kind):
        bare = _fitting_member(plain, member)
        origin = typing.get_origin(bare) or bare
        if isinstance(plain, list) and origin in _COLLECTIONS:
            return bare
        if isinstance(plain, dict) and origin is dict:
            return bare
        if isinstance(plain, dict) and _is_struct(origin):
            tag_field = origin.__struct_config__.tag_field
            if tag_field is None or plain.get(tag_field) == origin.__struct_config__.tag:
                return bare
    return None


_QUOTED_VALUE = re.compile(r"^(Invalid (?:enum )?value) .*")
_COLLECTIONS = (list, set, frozenset, tuple)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _message(error: msgspec.ValidationError) -> str:
    """msgspec's sentence without its path and the value, e.g. "Expected `int`, got `str`"."""
    text = " ".join(str(error).rpartition(" - at `")[0].split() or str(error).split())
    return _QUOTED_VALUE.sub(r"\1", text)[:200]


def _choices(kind: Any) -> str:
    """What is allowed, where that can be listed: "; one of: clear, none"."""
    while typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    if isinstance(kind, type) and issubclass(kind, Enum):
        values = [str(member.value) for member in kind]
    elif typing.get_origin(kind) is Literal:
        values = [str(value) for value in typing.get_args(kind)]
    else:
        return ""
    return f"; one of: {', '.join(values)}"


def _inner_pointer(error: msgspec.ValidationError) -> str:
    """The pointer for msgspec's `$.a[0]`, where it can be told: it writes `[...]` for keys."""
    _, found, path = str(error).rpartition(" - at `$")
    if not found or "[...]" in path:
        return ""
    tokens = path.rstrip("`").replace("[", ".").replace("]", "").split(".")
    return "".join(below("", token) for token in tokens if token)
