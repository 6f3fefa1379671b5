"""The guard of our import names: `domain`, `application`, `adapters` and `entrypoints`.

The names are plain words, and unrelated distributions called `adapters` and `entrypoints`
exist. Either one installed beside us replaces our modules in silence, so every program of
Strongroom calls this first, before it imports anything from the other three (ADR-0002).
Should `entrypoints` itself be shadowed, this module is not found and the start fails anyway.
"""

from __future__ import annotations

import re
from importlib.metadata import Distribution, distributions
from importlib.util import find_spec
from pathlib import Path

IMPORT_NAMES = ("domain", "application", "adapters", "entrypoints")
DISTRIBUTION_NAME = "strongroom"


class ImportNameTaken(RuntimeError):
    """One of our import names leads to the code of somebody else."""


def assert_import_names_are_ours() -> None:
    """Raise ImportNameTaken unless all four names lead to this distribution and to no other."""
    home = Path(__file__).resolve().parent.parent
    for name in IMPORT_NAMES:
        found = _origin(name)
        if found != home / name / "__init__.py":
            raise ImportNameTaken(_explain(name, f"resolves to {found or 'no regular package'}"))
    for distribution in distributions():
        for name in _names_claimed_by(distribution):
            raise ImportNameTaken(
                _explain(name, f"is also installed by the distribution {distribution.name}")
            )


def _origin(name: str) -> Path | None:
    spec = find_spec(name)
    return Path(spec.origin).resolve() if spec and spec.origin else None


def _names_claimed_by(distribution: Distribution) -> list[str]:
    """Our names among the top-level names of another distribution.

    A distribution that was unpacked over ours leaves our directory in place, with its files
    inside: only its list of files tells.
    """
    if distribution.name.lower() == DISTRIBUTION_NAME:
        return []
    # Searched as one text: splitting tens of thousands of lines would slow every start.
    record = distribution.read_text("RECORD") or distribution.read_text("top_level.txt") or ""
    return [name for name in IMPORT_NAMES if re.search(rf"^{name}(/|\.py,|$)", record, re.M)]


def _explain(name: str, fact: str) -> str:
    return (
        f"The import name '{name}' {fact}, but it belongs to Strongroom. "
        "Strongroom runs from an environment of its own: remove what took the name, "
        "or prepare a fresh environment with 'make install'."
    )
