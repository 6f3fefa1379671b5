"""The documents keep the form that was agreed, and name only what is there."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
ADR_SECTIONS = ["Context", "Decision", "Consequences", "Alternatives", "Confirmation"]
ADR_LINES_MAX = 60
APACHE_2_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


def _named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", ADRS, ids=_named)
def test_a_decision_record_has_the_agreed_form(path: Path) -> None:
    text = path.read_text()
    number = path.name[:4]
    assert re.match(rf"# ADR-{number}: \S", text)
    assert re.search(r"^Status: (accepted|superseded by ADR-\d{4}), \d{4}-\d\d-\d\d$", text, re.M)
    assert re.findall(r"^## (.+)$", text, re.M) == ADR_SECTIONS
    assert re.search(r"^## Decision\n\*\*.+?\*\*", text, re.M | re.S), "one sentence to quote"
    assert "Price:" in text, "consequences name their price"
    assert len(text.splitlines()) <= ADR_LINES_MAX


def test_decision_records_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))


@pytest.mark.parametrize("path", DOCUMENTS, ids=_named)
def test_every_path_that_a_document_names_exists(path: Path) -> None:
    places = r"`((?:src|tests|migrations|docs|requirements|benchmarks)/[\w./-]+)`"
    named = [found for found in re.findall(places, path.read_text()) if "NNNN" not in found]
    assert [found for found in named if not (ROOT / found).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=_named)
def test_every_relative_link_of_a_document_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text())
    relative = [link.partition("#")[0] for link in links if "://" not in link and link[0] != "#"]
    assert [link for link in relative if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=_named)
def test_every_code_block_of_a_document_is_closed(path: Path) -> None:
    assert len(re.findall(r"^\s*```", path.read_text(), re.M)) % 2 == 0


def test_the_licence_is_the_complete_apache_2_text() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_SHA256
