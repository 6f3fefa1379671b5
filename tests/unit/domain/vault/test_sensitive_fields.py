"""Which of the shared fields may hold what a schema marks as sensitive."""

from __future__ import annotations

from typing import Any

import pytest

from domain.json_pointer import WHOLE
from domain.vault.schema_marks import sensitive_fields

SECRET: dict[str, Any] = {"x-sensitive": True}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "$defs": {"person": {"properties": {"name": {}, "illness": SECRET, "next": {"$ref": "#"}}}},
    "properties": {
        "weight": {"type": "number"},
        "care": {"x-sensitive": True, "properties": {"nurse": {}}},
        "patient": {"$ref": "#/$defs/person"},
        "visits": {"items": {"properties": {"day": {}, "finding": SECRET}}},
        "pair": {"prefixItems": [{}, SECRET]},
        "either": {"anyOf": [{"type": "null"}, SECRET]},
        "not_so": {"x-sensitive": False, "not": SECRET},
    },
}


@pytest.mark.parametrize(
    ("field", "is_sensitive"),
    [
        (WHOLE, True),
        ("/care", True),
        ("/care/nurse", True),
        ("/patient", True),
        ("/patient/illness", True),
        ("/patient/next", True),
        ("/visits", True),
        ("/visits/0/finding", True),
        ("/visits/0/day", False),
        ("/pair/1", True),
        ("/pair/0", False),
        ("/either", True),
    ],
)
def test_a_mark_holds_for_what_is_below_and_tells_of_what_is_above(
    field: str, is_sensitive: bool
) -> None:
    assert sensitive_fields(SCHEMA, frozenset({field})) == (
        frozenset({field}) if is_sensitive else frozenset()
    )


def test_a_pattern_might_fit_any_member() -> None:
    """As for what may be searched: patterns are not tried."""
    fields = frozenset({"/weight", "/secret_number", "/not_so"})
    assert sensitive_fields(SCHEMA, fields) == frozenset()
    patterned = SCHEMA | {"patternProperties": {"^secret_": SECRET}}
    assert sensitive_fields(patterned, fields) == fields


def test_a_schema_that_marks_nothing_tells_of_nothing() -> None:
    refers: dict[str, Any] = {
        "type": "object",
        "$defs": {"unused": SECRET},
        "properties": {"child": {"$ref": "#"}},
    }
    assert sensitive_fields(refers, frozenset({WHOLE, "/child", "/child/child"})) == frozenset()
