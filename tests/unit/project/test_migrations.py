"""The files of the migrations form one line, named so that they sort in the order they run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

MIGRATIONS = Path(__file__).parents[3] / "migrations" / "versions"


def test_migrations_are_numbered_and_named_by_what_they_do() -> None:
    odd = [path.name for path in _files() if not re.fullmatch(r"\d{4}_[a-z][a-z0-9_]*", path.stem)]
    assert odd == []


def test_migrations_form_one_line_from_the_first_to_the_last() -> None:
    revisions = [_assigned(path, "revision") for path in _files()]
    parents = [_assigned(path, "down_revision") for path in _files()]
    assert len(set(revisions)) == len(revisions)
    assert parents == [None, *revisions][: len(parents)]


def test_the_number_of_a_migration_is_its_revision() -> None:
    for path in _files():
        assert path.stem.startswith(str(_assigned(path, "revision"))), path.name


def _files() -> list[Path]:
    return sorted(MIGRATIONS.glob("*.py"))


def _assigned(path: Path, name: str) -> object:
    for node in ast.parse(path.read_text()).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            assert node.value is not None
            return ast.literal_eval(node.value)
    raise AssertionError(f"{path.name} does not assign {name}")
