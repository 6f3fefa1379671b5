"""Records: JSON objects that follow a schema, in immutable versions like all in the vault."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from domain.errors import Conflict, Fault, InvalidParts, NotFound, TooLarge
from domain.json_pointer import Json, leaves_of
from domain.vault.schema_marks import MarkedLeaf, marked_leaves

RECORD_BYTES_MAX = 256 * 1024
FIELDS_MAX = 5_000
MEDIA_TYPE = "application/json"
PATCH_TYPE = "application/merge-patch+json"


class RecordNotFound(NotFound):
    """There is nothing here for you: it does not exist, or you may not see it."""


class RecordTooLarge(TooLarge):
    """A record has at most 262,144 bytes and 5,000 fields."""

    code = "record_too_large"


class RecordNotValid(InvalidParts):
    """This does not follow its schema; `errors` names each part that is to blame."""

    code = "record_not_valid"


class NotARecord(Conflict):
    """A patch may change fields of a record; what would be left is no object."""

    code = "not_a_record"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldText:
    """One field as it is searched: its pointer, what its place is called, and its text."""

    pointer: str
    labels: tuple[str, ...]
    text: str


def merged(target: Json, patch: Json) -> Json:
    """A merge patch applied (RFC 7396): null removes a member, objects merge, else it replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def stored_form(content: Mapping[str, Json]) -> bytes:
    """The bytes that are sealed: JSON in UTF-8, members in their order.

    Integers stay exact; other numbers are IEEE 754 doubles, as RFC 8259 suggests. Raises
    RecordTooLarge.
    """
    stored = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    if len(stored) > RECORD_BYTES_MAX or _more_than(FIELDS_MAX, content):
        raise RecordTooLarge
    return stored


def content_of(stored: bytes) -> dict[str, Json]:
    found: dict[str, Json] = json.loads(stored)
    return found


def assert_valid(faults: Sequence[Fault], within: str) -> None:
    """Raises RecordNotValid; `within` is the pointer to the record in the request."""
    if faults:
        raise RecordNotValid([Fault(within + each.pointer, each.detail) for each in faults])


def searched_fields(schema: Mapping[str, Json], content: Mapping[str, Json]) -> list[FieldText]:
    """The fields that may be searched and say something, in order."""
    return [
        FieldText(pointer=leaf.pointer, labels=leaf.labels, text=text)
        for leaf in marked_leaves(schema, dict(content))
        if leaf.searchable and (text := _said(leaf))
    ]


def _said(leaf: MarkedLeaf) -> str:
    value = leaf.value
    if isinstance(value, bool) or value is None or isinstance(value, dict | list):
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return "" if text.isspace() else text


def _more_than(count: int, content: Mapping[str, Json]) -> bool:
    return any(place >= count for place, _ in enumerate(leaves_of(dict(content))))
