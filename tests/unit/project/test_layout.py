"""Rules of the layout that a reader relies on and that no linter knows."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SRC = ROOT / "src"
# fmt: off
EMPTY_WORDS = {
    "base", "common", "core", "data", "dto", "handler", "handlers", "helper", "helpers",
    "impl", "info", "manager", "managers", "misc", "processor", "util", "utils",
}
# fmt: on


def test_no_file_beside_the_http_package_can_be_run_as_a_script() -> None:
    """Run as a file, its directory comes first on the path, and `http` is ours for everyone."""
    beside = sorted((SRC / "entrypoints").glob("*.py"))
    runnable = [
        path.name
        for path in beside
        if path.name == "__main__.py"
        or path.read_text().startswith("#!")
        or any(_is_text(node, "__main__") for node in ast.walk(_tree(path)))
    ]
    assert beside
    assert runnable == []


def test_no_command_of_the_project_runs_a_source_file_by_its_path() -> None:
    scripts = sorted((ROOT / ".ci").iterdir())
    commands = [ROOT / "Makefile", ROOT / "tests" / "check.sh", *scripts]
    for path in commands:
        assert not re.search(r"python[0-9.]*\s+(\S*/)?src/\S+\.py", path.read_text()), path.name


def test_package_files_are_empty_or_hold_one_docstring() -> None:
    talkative = [
        str(path.relative_to(SRC))
        for path in sorted(SRC.rglob("__init__.py"))
        if any(not _is_docstring(node) for node in _tree(path).body)
    ]
    assert talkative == []


def test_every_source_directory_is_a_regular_package() -> None:
    """A namespace package is found by import-linter and mypy only in part."""
    bare = {
        str(path.parent.relative_to(SRC))
        for path in SRC.rglob("*.py")
        if not (path.parent / "__init__.py").exists()
    }
    assert bare == set()


def test_tests_are_not_packages() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_test_files_have_names_of_their_own() -> None:
    names = [path.stem for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def test_no_module_is_named_by_a_word_that_says_nothing() -> None:
    met = [
        str(path.relative_to(SRC))
        for path in sorted(SRC.rglob("*.py"))
        if EMPTY_WORDS & set(path.stem.split("_"))
    ]
    assert met == []


def test_no_work_is_left_as_a_note() -> None:
    left = re.compile(r"#\s*(TODO|FIXME|XXX|HACK)\b")
    places = [SRC, ROOT / "tests", ROOT / "migrations", ROOT / "benchmarks"]
    met = [
        str(path.relative_to(ROOT))
        for place in places
        for path in sorted(place.rglob("*.py"))
        if left.search(path.read_text())
    ]
    assert met == []


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def _is_text(node: ast.AST, value: str | None = None) -> bool:
    return (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and value in {None, node.value}
    )


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and _is_text(node.value)
