"""Statements that one would tune with EXPLAIN, each in a described file."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from sqlalchemy import TextClause, text


@cache
def statement(name: str) -> TextClause:
    """The statement in sql/`name`.sql, with the parts that it names between /* and */."""
    return text(_PART.sub(_part, _read(name)))


# `visible` is the only place where it is written down who may find what: in the open index, or in
# the sealed one.
_PART = re.compile(
    r"^/\* (visible|candidate_vectors|tell_version_features|run_endings|record_event)"
    r"( sealed)? \*/$",
    re.MULTILINE,
)


def _part(named: re.Match[str]) -> str:
    part = _read(named[1])
    return part.replace("'clear'", "'sealed'") if named[2] else part


def _read(name: str) -> str:
    return files("adapters.postgres").joinpath("sql", f"{name}.sql").read_text().rstrip()
