"""Everything shipped has a licence that was allowed, or read by a person for that version."""

from __future__ import annotations

import re
import tomllib
from email.message import Message
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest

REQUIREMENTS = Path(__file__).parents[3] / "requirements"
SHIPPED = ("core.txt", "assets.txt", "extras.txt", "smollm.txt")
RULES: dict[str, Any] = tomllib.loads((REQUIREMENTS / "licences.toml").read_text())


def test_everything_shipped_has_an_allowed_licence() -> None:
    problems = {pin: verdict for pin in _shipped_pins() if (verdict := _problem_with(pin))}
    assert not problems, "\n".join(f"{pin}: {verdict}" for pin, verdict in problems.items())


def test_every_licence_that_a_person_read_belongs_to_a_shipped_version() -> None:
    assert set(RULES["read"]) <= set(_shipped_pins())


def test_every_licence_that_a_person_read_says_why_it_is_listed() -> None:
    assert all(entry["licence"] and entry["reason"] for entry in RULES["read"].values())


def test_a_copyleft_licence_is_not_allowed_by_itself() -> None:
    assert not _is_allowed("AGPL-3.0-only")
    assert not _is_allowed("MIT AND MPL-2.0")
    assert not _is_allowed("(MIT OR Apache-2.0) AND GPL-3.0-only")


def test_one_allowed_choice_is_enough() -> None:
    assert _is_allowed("GPL-2.0-only OR MIT")
    assert _is_allowed("MIT AND (LGPL-3.0-only OR (BSD-3-Clause AND PSF-2.0))")


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        ({"License-Expression": "MIT", "License": "GPL"}, "MIT"),
        ({"License": "Apache 2.0"}, "Apache-2.0"),
        ({"License": "MPL-2.0 AND MIT"}, "MPL-2.0 AND MIT"),
        ({"Classifier": "License :: OSI Approved :: MIT License"}, "MIT"),
        ({"License": "BSD", "Classifier": "License :: OSI Approved :: BSD License"}, None),
        ({"License": "Copyright (c) 2024\nAll rights reserved."}, None),
        ({}, None),
    ],
)
def test_the_licence_is_read_from_what_the_metadata_declares(
    fields: dict[str, str], licence: str | None
) -> None:
    metadata = Message()
    for name, value in fields.items():
        metadata[name] = value
    assert _declared(metadata) == licence


def _shipped_pins() -> list[str]:
    pin = re.compile(r"^([a-z0-9._-]+==[^\s;]+)", re.MULTILINE)
    texts = [(REQUIREMENTS / name).read_text() for name in SHIPPED]
    return sorted({found for text in texts for found in pin.findall(text)})


def _problem_with(pin: str) -> str | None:
    if pin in RULES["read"]:
        return None
    name, version = pin.split("==")
    try:
        installed = distribution(name)
    except PackageNotFoundError:
        return "not installed here; read its licence and record it in licences.toml"
    if installed.version != version:
        return f"version {installed.version} is installed; run make install"
    # PackageMetadata is a protocol that only email.message.Message implements.
    licence = _declared(installed.metadata)  # type: ignore[arg-type]
    if licence is None:
        return "declares no licence that could be understood; read it and record it"
    return None if _is_allowed(licence) else f"{licence} is not on the allow-list"


def _declared(metadata: Message) -> str | None:
    """The licence as an SPDX expression (PEP 639); older fields only where they are clear."""
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [
        str(line).rsplit("::", 1)[1].strip()
        for line in metadata.get_all("Classifier", [])
        if str(line).startswith("License ::")
    ]
    for spelling in (str(metadata.get("License", "")), *classifiers):
        spdx = RULES["spellings"].get(spelling, spelling)
        if _identifiers(spdx) and all(_is_known(word) for word in _identifiers(spdx)):
            return str(spdx)
    return None


def _is_known(identifier: str) -> bool:
    return identifier in RULES["allowed"] or bool(
        re.fullmatch(r"(A|L)?GPL-\d\.\d(-only|-or-later)?|MPL-\d\.\d", identifier)
    )


def _identifiers(expression: str) -> list[str]:
    words = expression.replace("(", " ").replace(")", " ").split()
    return [word for word in words if word not in {"AND", "OR"}]


def _is_allowed(expression: str) -> bool:
    """SPDX annex D without WITH: AND binds more closely than OR."""
    innermost = re.search(r"\(([^()]*)\)", expression)
    if innermost:
        verdict = "MIT" if _is_allowed(innermost[1]) else "refused"
        start, end = innermost.span()
        return _is_allowed(expression[:start] + verdict + expression[end:])
    return any(
        all(term.strip() in RULES["allowed"] for term in choice.split(" AND "))
        for choice in expression.split(" OR ")
    )
