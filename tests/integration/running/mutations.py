"""Bodies that must be refused, made from the schema of the body that an operation wants."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from tests.integration.running.people import Json

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One bad body. `pointer` is what the problem must name; None: it is bad as a whole."""

    what: str
    body: bytes
    pointer: str | None = None
    statuses: tuple[int, ...] = (400,)
    headers: tuple[tuple[str, str], ...] = (("Content-Type", JSON_TYPE),)


def json_operations(document: Json) -> Iterator[tuple[str, Json]]:
    """(`METHOD /path`, schema of its JSON body) of every operation that has one.

    The schema of a body that may be left out is one of two: null is the other.
    """
    for path, item in document["paths"].items():
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {})
            if JSON_TYPE in content:
                yield f"{method.upper()} {path}", _resolved(content[JSON_TYPE]["schema"], document)


def example(schema: Json, document: Json) -> Any:
    """A value that fits the schema, with its required fields alone."""
    schema = _resolved(schema, document)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return example(schema[choice][0], document)
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            return {name: example(fields[name], document) for name in schema.get("required", [])}
        case "array":
            return [example(schema["items"], document)] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return True
        case _:
            return _text(schema)


def mutations(schema: Json, document: Json) -> Iterator[Mutation]:
    if "oneOf" in schema:
        (needed,) = [each for each in schema["oneOf"] if each.get("type") != "null"]
        schema, left_out = _resolved(needed, document), (b"", b"null")
    else:
        left_out = ()
    good = example(schema, document)
    yield from (each for each in _as_a_whole(good) if each.body not in left_out)
    fields = schema.get("properties", {})
    for name, field in fields.items():
        for wrong in _wrong_values(field, document):
            yield Mutation(
                what=f"{name}={wrong!r}"[:60], body=_json({**good, name: wrong}), pointer=f"/{name}"
            )
    for name in schema.get("required", []):
        rest = {key: value for key, value in good.items() if key != name}
        yield Mutation(what=f"without {name}", body=_json(rest), pointer=f"/{name}")
    yield Mutation(what="an unknown field", body=_json({**good, "nope": 1}), pointer="/nope")
    yield Mutation(what="~ and /", body=_json({**good, "a/b~c": 1}), pointer="/a~1b~0c")


def _as_a_whole(good: Any) -> Iterator[Mutation]:
    for text in (b"", b"null", b"[]", b'"text"', b"12", b"true", b"{", b"{]", b"{'a': 1}", b"nul"):
        yield Mutation(what=f"body {text!r}", body=text)
    body = _json(good)
    yield Mutation(what="two values", body=body + body)
    yield Mutation(what="a trailing comma", body=body[:-1] + b",}")
    yield Mutation(what="a name twice", body=b'{"a":1,"a":2}')
    yield Mutation(what="NaN", body=b'{"a":NaN}')
    yield Mutation(what="a huge float", body=b'{"a":1e999}')
    yield Mutation(what="a huge integer", body=b'{"a":' + b"9" * 5000 + b"}")
    yield Mutation(what="not UTF-8", body=b'{"a":"\xff\xfe"}')
    yield Mutation(what="an overlong encoding", body=b'{"a":"\xc0\x80"}')
    yield Mutation(what="UTF-16", body=body.decode().encode("utf-16"))
    yield Mutation(what="deep lists", body=b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}")
    yield Mutation(what="deep objects", body=b'{"a":' * 40 + b"1" + b"}" * 40)
    yield Mutation(what="unclosed", body=b'{"a":' * 10_000)
    yield Mutation(what="a megabyte", body=b'{"a":"' + b"x" * 2**20 + b'"}', statuses=(413,))
    yield Mutation(what="NUL in a name", body=b'{"a\\u0000b":1}')
    yield Mutation(what="half a pair in a name", body=b'{"\\ud800":1}')
    for sent in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json",
                 "application/json; charset=latin-1", "application/xml", ""):  # fmt: skip
        headers = (("Content-Type", sent),)
        yield Mutation(what=f"as {sent!r}", body=body, statuses=(415,), headers=headers)
    zipped = (("Content-Type", JSON_TYPE), ("Content-Encoding", "gzip"))
    yield Mutation(what="compressed", body=body, statuses=(415,), headers=zipped)


def _wrong_values(field: Json, document: Json) -> Iterator[Any]:
    """Values that cannot fit, whatever else the field may be."""
    members = field.get("oneOf") or field.get("anyOf") or [field]
    schemas = [_resolved(each, document) for each in members]
    types = {name for each in schemas for name in _types(each)}
    choices = [choice for each in schemas for choice in each.get("enum") or ()]
    if "null" not in types and None not in choices:
        yield None
    if "string" not in types:
        yield "text"
    else:
        yield "half \ud83d of a pair"
        yield "with \x00 in it"
        longest = max(each.get("maxLength", 0) for each in schemas)
        if longest and longest < 60_000:
            yield "x" * (longest + 1)
    if "object" not in types:
        yield {"a": 1}
    if "array" not in types:
        yield [1]
    if not types & {"integer", "number"}:
        yield from (12, 1.5, -(2**63) - 1, 2**64 - 1)
    else:
        yield from (2**63, -(2**63), 1.5e300)
    if "boolean" not in types:
        yield True


def _types(schema: Json) -> list[str | None]:
    """A schema names no type, one, or several of them."""
    named = schema.get("type", "string" if "enum" in schema else None)
    return named if isinstance(named, list) else [named]


def _text(schema: Json) -> str:
    match schema.get("format"):
        case "uuid":
            return f"{UUID(int=7)}"
        case "date-time":
            return "2030-01-01T00:00:00Z"
        case _:
            length: int = schema.get("minLength", 1)
            return "a" * max(1, length)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _resolved(schema: Json, document: Json) -> Json:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema
