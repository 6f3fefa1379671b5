"""What import-linter cannot say about imports, read from the syntax of the sources."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

SRC = Path(__file__).parents[3] / "src"

# The domain computes. Time, chance, files and the network are passed in as values.
# fmt: off
IMPURE = {
    "asyncio", "concurrent", "glob", "http", "importlib", "logging", "multiprocessing",
    "os", "pathlib", "random", "secrets", "shutil", "signal", "socket", "sqlite3", "ssl",
    "subprocess", "tempfile", "threading", "time", "urllib",
}
# fmt: on


def test_the_domain_imports_the_standard_library_only() -> None:
    assert _imports_beyond("domain", own=frozenset({"domain"})) == []


def test_the_application_imports_the_standard_library_and_the_domain_only() -> None:
    assert _imports_beyond("application", own=frozenset({"application", "domain"})) == []


def test_the_domain_touches_no_clock_no_chance_no_file_and_no_network() -> None:
    met = [
        f"{path.relative_to(SRC)}: {name}"
        for path in _sources("domain")
        for name in _imported(path)
        if name.partition(".")[0] in IMPURE and name != "urllib.parse"
    ]
    assert met == []


def test_the_domain_has_no_coroutines() -> None:
    coroutines = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    met = [
        str(path.relative_to(SRC))
        for path in _sources("domain")
        if any(isinstance(node, coroutines) for node in ast.walk(_tree(path)))
    ]
    assert met == []


def test_domain_and_application_never_ask_for_the_present_time() -> None:
    clocks = {"now", "utcnow", "today"}
    met = [
        f"{path.relative_to(SRC)}:{node.lineno}"
        for path in (*_sources("domain"), *_sources("application"))
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Attribute)
        and node.attr in clocks
        and isinstance(node.value, ast.Name)
        and node.value.id in {"datetime", "date"}
    ]
    assert met == []


def test_domain_and_application_do_not_log() -> None:
    met = [
        str(path.relative_to(SRC))
        for path in (*_sources("domain"), *_sources("application"))
        if {"logging", "structlog", "warnings"} & set(_imported(path))
    ]
    assert met == []


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        str(path.relative_to(SRC)) for path in sorted(SRC.rglob("*.py")) if _reads_environment(path)
    }
    # The verifier is a program of its own, without settings: it is handed a token, if it needs one.
    assert readers <= {"entrypoints/settings.py", "entrypoints/verifier/service.py"}


def test_nothing_maps_rows_to_objects_behind_our_back() -> None:
    mapping = ("sqlalchemy.orm", "sqlalchemy.ext.declarative", "sqlalchemy.ext.automap")
    met = [
        str(path.relative_to(SRC))
        for path in sorted(SRC.rglob("*.py"))
        if any(name.startswith(mapping) for name in _imported(path))
    ]
    assert met == []


def test_there_are_four_import_packages_and_nothing_beside_them() -> None:
    names = {path.name for path in SRC.iterdir() if path.suffix != ".egg-info"} - {"__pycache__"}
    assert names == {"domain", "application", "adapters", "entrypoints"}


def _imports_beyond(layer: str, *, own: frozenset[str]) -> list[str]:
    allowed = own | sys.stdlib_module_names
    return [
        f"{path.relative_to(SRC)}: {name}"
        for path in _sources(layer)
        for name in _imported(path)
        if name.partition(".")[0] not in allowed
    ]


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def _reads_environment(path: Path) -> bool:
    names = {"environ", "environb", "getenv", "getenvb"}
    return any(
        (
            isinstance(node, ast.Attribute)
            and node.attr in names
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
        )
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and any(alias.name in names for alias in node.names)
        )
        for node in ast.walk(_tree(path))
    )


def _sources(layer: str) -> list[Path]:
    return sorted((SRC / layer).rglob("*.py"))


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))
