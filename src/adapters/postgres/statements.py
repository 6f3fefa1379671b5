"""Statements that one would tune with EXPLAIN, each in a described file."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from sqlalchemy import TextClause, text


@cache
def statement(name: str) -> TextClause:
    """The statement in sql/`name`.sql."""
    return text(files("adapters.postgres").joinpath("sql", f"{name}.sql").read_text())
