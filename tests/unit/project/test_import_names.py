"""The guard of the import names, in processes where somebody else has taken one (ADR-0002)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from entrypoints.names import IMPORT_NAMES, ImportNameTaken, assert_import_names_are_ours

SRC = Path(__file__).parents[3] / "src"
GUARD = "from entrypoints.names import assert_import_names_are_ours as guard; guard()"


def test_here_the_four_names_are_ours() -> None:
    assert_import_names_are_ours()


@pytest.mark.parametrize("name", [name for name in IMPORT_NAMES if name != "entrypoints"])
def test_a_package_earlier_on_the_path_is_named_in_the_error(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    outcome = _start_with(tmp_path)
    assert outcome.returncode != 0
    assert f"ImportNameTaken: The import name '{name}' resolves to {tmp_path}" in outcome.stderr


def test_a_module_earlier_on_the_path_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "adapters.py").touch()
    assert f"resolves to {tmp_path / 'adapters.py'}" in _start_with(tmp_path).stderr


def test_the_guard_does_not_run_the_code_it_warns_about(tmp_path: Path) -> None:
    (tmp_path / "adapters.py").write_text("raise SystemExit('the foreign code was run')")
    assert "the foreign code was run" not in _start_with(tmp_path).stderr


def test_a_foreign_entrypoints_package_ends_the_start_too(tmp_path: Path) -> None:
    (tmp_path / "entrypoints.py").touch()
    outcome = _start_with(tmp_path)
    assert outcome.returncode != 0
    assert "entrypoints" in outcome.stderr


@pytest.mark.parametrize(
    "record", ["adapters/loading.py,sha256=x,1\n", "adapters.py,sha256=x,1\n", "adapters\n"]
)
def test_a_distribution_that_lists_our_name_is_refused_even_behind_us(
    record: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = tmp_path / "adapters-1.2.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: adapters\nVersion: 1.2.0\n")
    (described / "RECORD").write_text("other/adapters/x.py,,\n" + record)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    with pytest.raises(ImportNameTaken, match=r"'adapters' is also installed by .* adapters"):
        assert_import_names_are_ours()


def test_a_distribution_with_the_word_inside_its_paths_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = tmp_path / "requests_cache-1.0.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: x\nVersion: 1.0\n")
    (described / "RECORD").write_text("requests/adapters.py,,\nadapters_extra/__init__.py,,\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert_import_names_are_ours()


def _start_with(first_on_path: Path) -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.path[:0] = [{str(first_on_path)!r}, {str(SRC)!r}]; {GUARD}"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
