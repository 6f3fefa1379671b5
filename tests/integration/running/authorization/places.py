"""Every place of the API where something can be named, read from its OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.integration.running.people import Json

NOTHING = "-"
"""The place of a request that names nothing: a list, a sign-in, one's own account."""

METHODS = ("get", "put", "post", "delete", "patch")
POSITIONS = ("If-Match", "Last-Event-ID")
"""Headers that say where one stands in something that the path names."""

Named = tuple[str, bool]
"""A place, and whether a request has to name something there."""

# Text that names something, though no format says so.
_NAMES = {"cursor", "token", "refresh_token", "client_secret", "schema", "email", "tenant"}
_DEPTH_MAX = 12


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    """(`METHOD /path/{template}`, operation) of an OpenAPI document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield f"{method.upper()} {path}", operation


def places(operation: Json, document: Json) -> set[str]:
    """`{a_path_parameter}`, `?a_query_parameter`, `A-Header`, or a JSON Pointer into the body, in
    which 0 stands for every item of a list; with NOTHING where a request may name nothing."""
    found = [*_parameters(operation, document), *_bodies(operation, document)]
    nothing = set() if any(needed for _, needed in found) else {NOTHING}
    return {place for place, _ in found} | nothing


def _parameters(operation: Json, document: Json) -> Iterator[Named]:
    for parameter in operation.get("parameters", ()):
        name, where = parameter["name"], parameter["in"]
        # In a log of hashes a path says where to look, and names nothing.
        if where == "path" and name not in ("level", "index"):
            yield f"{{{name}}}", True
        elif where == "header" and name not in POSITIONS:
            yield name, parameter["required"]
        elif where == "query":
            yield from _names_in(parameter["schema"], document, f"?{name}", parameter["required"])


def _bodies(operation: Json, document: Json) -> Iterator[Named]:
    for body in operation.get("requestBody", {}).get("content", {}).values():
        yield from _names_in(body["schema"], document, "", True)


def _names_in(
    schema: Json, document: Json, at: str, needed: bool, depth: int = 0
) -> Iterator[Named]:
    """What is at or below `at` and holds an id, or text that names something."""
    if depth > _DEPTH_MAX:
        return
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if _is_name(schema, re.split("[/?]", at)[-1]):
        yield at, needed
        return
    for choice in ("oneOf", "anyOf", "allOf"):
        for each in schema.get(choice, ()):
            yield from _names_in(each, document, at, False, depth + 1)
    for field, each in schema.get("properties", {}).items():
        is_needed = needed and field in schema.get("required", ())
        yield from _names_in(each, document, f"{at}/{field}", is_needed, depth + 1)
    if "items" in schema:
        yield from _names_in(schema["items"], document, f"{at}/0", False, depth + 1)


def _is_name(schema: Json, field: str) -> bool:
    told = schema.get("description", "") if schema.keys().isdisjoint({"enum", "properties"}) else ""
    return (
        schema.get("format") == "uuid" or field in _NAMES or re.search(r"\bid\b", told) is not None
    )
