"""Records are judged by their schema, and whatever a schema asks for, others are judged too."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from adapters.json_schema.checker import ProcessSchemaChecker
from application.vault.ports import CheckTooCostly
from domain.errors import Unavailable
from domain.json_pointer import Json

PERSON: dict[str, Json] = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "maxLength": 5},
        "born": {"type": "string", "format": "date"},
        "mail": {"type": "string", "format": "email"},
        "code": {"type": "string", "pattern": "^[A-Z]{2}[0-9]+$"},
        "a/b": {"type": "array", "items": {"type": "integer", "minimum": 0}},
    },
}


@pytest.fixture(scope="module")
async def checker() -> AsyncIterator[ProcessSchemaChecker]:
    checker = ProcessSchemaChecker(cpu_seconds_max=0.5)
    yield checker
    await checker.close()


async def faults(
    checker: ProcessSchemaChecker, record: Json, schema: dict[str, Json] = PERSON
) -> dict[str, str]:
    return {each.pointer: each.detail for each in await checker.faults_of(record, schema)}


async def test_a_valid_record_has_no_faults(checker: ProcessSchemaChecker) -> None:
    record: Json = {"name": "Asha", "born": "1990-02-28", "mail": "a@example.org", "a/b": [1, 2]}
    assert await faults(checker, record) == {}


async def test_each_part_that_is_to_blame_is_named_and_nothing_is_quoted(
    checker: ProcessSchemaChecker,
) -> None:
    record: Json = {
        "born": "canary-1990-02-30",
        "mail": "canary",
        "code": "canary",
        "a/b": [1, -77, "canary"],
        "nickname": "canary",
    }
    found = await faults(checker, record)
    assert found.keys() == {
        "/name", "/born", "/mail", "/code", "/a~1b/1", "/a~1b/2", "/nickname",
    }  # fmt: skip
    assert not [detail for detail in found.values() if "canary" in detail or "77" in detail]
    assert found["/name"] == "This is required and missing."


@pytest.mark.parametrize(
    "schema",
    [
        {"const": "canary"},
        {"enum": ["x"]},
        {"type": "object"},
        {"not": {}},
        {"oneOf": [{}, {}]},
        {"anyOf": [{"type": "object"}, {"type": "null"}]},
        {"minLength": 99, "maxLength": 1, "contentEncoding": "base64"},
        {"propertyNames": {"maxLength": 1}},
        {"items": {"multipleOf": 7}},
        {"uniqueItems": True, "contains": {"const": 1}, "maxItems": 1},
    ],
)
@pytest.mark.parametrize("record", ["secret words", {"secret words": 1}, ["secret words"] * 2, 5])
async def test_no_kind_of_fault_quotes_the_record(
    checker: ProcessSchemaChecker, schema: dict[str, Json], record: Json
) -> None:
    found = await faults(checker, record, schema)
    assert not [detail for detail in found.values() if "secret" in detail]


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"type": "strin"}, "/type"),
        ({"properties": {"a": {"minLength": -1}}}, "/properties/a/minLength"),
        ({"pattern": "("}, "/pattern"),
        ({"pattern": "(?=a)b"}, "/pattern"),
        ({"pattern": r"(a)\1"}, "/pattern"),
        ({"format": "nonsense"}, "/format"),
        ({"$ref": "https://example.org/schema"}, ""),
        ({"$ref": "file:///etc/passwd"}, ""),
    ],
)
async def test_what_is_no_schema_is_refused(
    checker: ProcessSchemaChecker, schema: dict[str, Json], pointer: str
) -> None:
    (fault,) = await checker.faults_of_schema(schema)
    assert fault.pointer == pointer


async def test_a_pattern_takes_time_in_proportion_to_the_text(
    checker: ProcessSchemaChecker,
) -> None:
    found = await faults(checker, "a" * 500_000 + "!", {"pattern": "^(a+)+$"})
    assert found.keys() == {""}


@pytest.mark.parametrize("branches", ["allOf", "anyOf", "oneOf"])
async def test_a_schema_that_asks_for_too_much_is_cut_off_and_others_go_on(
    checker: ProcessSchemaChecker, branches: str
) -> None:
    steps: dict[str, Json] = {
        f"d{n}": {branches: [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(40)
    }
    schema: dict[str, Json] = {"$defs": {**steps, "d40": {"type": "string"}}, "$ref": "#/$defs/d0"}
    costly = [asyncio.create_task(checker.faults_of(1, schema)) for _ in range(3)]
    assert await faults(checker, {"name": "Asha"}) == {}
    ended = await asyncio.gather(*costly, return_exceptions=True)
    assert [type(each) for each in ended] == [CheckTooCostly] * 3


async def test_a_schema_that_refers_to_itself_comes_to_an_end(
    checker: ProcessSchemaChecker,
) -> None:
    tree: dict[str, Json] = {"properties": {"of": {"$ref": "#"}, "n": {"type": "integer"}}}
    assert (await faults(checker, {"of": {"of": {"n": "x"}}}, tree)).keys() == {"/of/of/n"}
    await faults(checker, 1, {"$ref": "#"})


async def test_a_process_that_somebody_killed_is_replaced(checker: ProcessSchemaChecker) -> None:
    await faults(checker, {"name": "Asha"})
    for process in checker._idle:
        os.kill(process.pid, signal.SIGKILL)
    try:
        found = await faults(checker, {"name": "Asha"})
    except Unavailable:  # asked before its end was noticed
        found = await faults(checker, {"name": "Asha"})
    assert found == {}


async def test_a_closed_checker_judges_nothing() -> None:
    checker = ProcessSchemaChecker()
    await checker.faults_of(1, {})
    await checker.close()
    with pytest.raises(Unavailable):
        await checker.faults_of(1, {})
