"""What a schema of records may say, beyond what JSON Schema 2020-12 asks for itself.

A record is an object; a schema refers to nothing but its own parts; and a keyword that there is
not is a mistake, unless it begins with `x-`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from domain.errors import Fault
from domain.json_pointer import WHOLE, Json, PointerNotUsable, below, parse, value_at

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SUBSCHEMAS_MAX = 1_000
SEARCHABLE = "x-searchable"
SENSITIVE = "x-sensitive"

ONE = frozenset((
    "items", "contains", "additionalProperties", "propertyNames", "if", "then", "else", "not",
    "unevaluatedItems", "unevaluatedProperties", "contentSchema",
))  # fmt: skip
"""Keywords whose value is a schema."""
LIST = frozenset(["prefixItems", "allOf", "anyOf", "oneOf"])
"""Keywords whose value is a list of schemas."""
NAMED = frozenset(["$defs", "properties", "patternProperties", "dependentSchemas"])
"""Keywords whose value is an object of schemas."""
_PLAIN = frozenset((
    "$ref", "$comment", "type", "const", "enum", "multipleOf", "maximum", "exclusiveMaximum",
    "minimum", "exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems",
    "uniqueItems", "maxContains", "minContains", "maxProperties", "minProperties", "required",
    "dependentRequired", "format", "contentEncoding", "contentMediaType", "title", "description",
    "default", "deprecated", "readOnly", "writeOnly", "examples",
))  # fmt: skip
_AT_THE_ROOT = frozenset({"$schema", "$id"})
_KNOWN = ONE | LIST | NAMED | _PLAIN


def faults_in(schema: Mapping[str, Json]) -> list[Fault]:
    """What is to blame, by pointers into the schema. That it is a JSON Schema is judged apart."""
    faults: list[Fault] = []
    if schema.get("type") != "object":
        faults.append(Fault("/type", 'A record is an object: its schema says "type": "object".'))
    if schema.get("$schema", DIALECT) != DIALECT:
        faults.append(Fault("/$schema", f"The one dialect is {DIALECT}."))
    places: dict[str, Mapping[str, Json]] = {}
    for pointer, subschema in _subschemas(dict(schema)):
        places[pointer] = subschema
        if len(places) > SUBSCHEMAS_MAX:
            return [Fault(pointer, f"A schema has at most {SUBSCHEMAS_MAX:,} subschemas.")]
        faults += _faults_of(subschema, pointer)
    for pointer, subschema in places.items():
        target = subschema.get("$ref")
        if target is not None and _target(target) not in places:
            faults.append(Fault(below(pointer, "$ref"), _REF))
    return faults


def referred(schema: Mapping[str, Json], reference: Json) -> Json:
    """The subschema that a `$ref` of an accepted schema names."""
    return value_at(dict(schema), _target(reference) or WHOLE)


_REF = "A schema refers to its own parts only, by pointers such as #/$defs/address."


def _faults_of(subschema: Mapping[str, Json], pointer: str) -> Iterator[Fault]:
    for keyword, said in subschema.items():
        here = below(pointer, keyword)
        if keyword in _AT_THE_ROOT and pointer:
            yield Fault(here, "This is said of the whole schema only.")
        elif keyword in (SEARCHABLE, SENSITIVE) and not isinstance(said, bool):
            yield Fault(here, "This is either true or false.")
        elif keyword not in _KNOWN | _AT_THE_ROOT and not keyword.startswith("x-"):
            yield Fault(here, "There is no such keyword; your own ones begin with x-.")
    if subschema.get(SEARCHABLE) is True and subschema.get(SENSITIVE) is True:
        yield Fault(below(pointer, SEARCHABLE), "What is sensitive is not searchable.")


def _subschemas(schema: Json, pointer: str = "") -> Iterator[tuple[str, Mapping[str, Json]]]:
    """Every object that stands where a schema belongs, with its pointer, outermost first."""
    if not isinstance(schema, dict):
        return
    yield pointer, schema
    for keyword, said in schema.items():
        here = below(pointer, keyword)
        if keyword in ONE:
            yield from _subschemas(said, here)
        elif keyword in LIST and isinstance(said, list):
            for place, member in enumerate(said):
                yield from _subschemas(member, below(here, place))
        elif keyword in NAMED and isinstance(said, dict):
            for name, member in said.items():
                yield from _subschemas(member, below(here, name))


def _target(reference: Json) -> str | None:
    """The pointer within the schema that a `$ref` names, as we would write it; None if none."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    try:
        tokens = parse(unquote(reference[1:]))
    except PointerNotUsable:
        return None
    pointer = ""
    for token in tokens:
        pointer = below(pointer, token)
    return pointer
