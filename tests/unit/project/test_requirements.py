"""The locked requirements pin and hash everything and name no place to fetch from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).parents[3] / "requirements"
AI_SDK = REQUIREMENTS.parent / "tests" / "interop" / "ai_sdk"
LOCKED = ["assets.txt", "bootstrap.txt", "core.txt", "dev.txt", "extras.txt", "smollm.txt"]


@pytest.mark.parametrize("path", sorted(REQUIREMENTS.iterdir()), ids=lambda path: path.name)
def test_no_requirement_file_names_a_host_or_an_index(path: Path) -> None:
    """Where packages come from is a setting of the machine, not of the project."""
    text = path.read_text()
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--\S*(index|find-links|trusted-host))\b", text, re.MULTILINE)
    assert not re.search(r"\b[a-z0-9-]+\.(com|dev|io|net|org)\b", text, re.IGNORECASE)


@pytest.mark.parametrize("name", LOCKED)
def test_every_locked_requirement_is_pinned_and_hashed(name: str) -> None:
    joined = (REQUIREMENTS / name).read_text().replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line and not line.lstrip().startswith("#")]
    assert lines
    for line in lines:
        assert re.match(r"[a-z0-9._-]+==\S+", line), line
        assert "--hash=sha256:" in line, line


def test_development_and_shipped_locks_agree() -> None:
    shipped = _pins("core.txt") | _pins("extras.txt")
    assert {pin for pin in _pins("smollm.txt") if pin.startswith("xllamacpp")} <= shipped
    shared_names = {pin.split("==")[0] for pin in shipped} & {
        pin.split("==")[0] for pin in _pins("dev.txt")
    }
    developed = {pin for pin in _pins("dev.txt") if pin.split("==")[0] in shared_names}
    assert developed <= shipped


def test_packages_for_node_are_pinned_and_hashed_and_name_no_host() -> None:
    asked = json.loads((AI_SDK / "package.json").read_text())["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in asked.values())
    text = (AI_SDK / "package-lock.json").read_text()
    assert "://" not in text
    packages = json.loads(text)["packages"]
    assert packages.pop("")["dependencies"] == asked
    assert {each["integrity"].partition("-")[0] for each in packages.values()} == {"sha512"}
    assert set(asked) <= {name.removeprefix("node_modules/") for name in packages}


def _pins(name: str) -> set[str]:
    text = (REQUIREMENTS / name).read_text()
    return set(re.findall(r"^([a-z0-9._-]+==[^\s;]+)", text, re.MULTILINE))
