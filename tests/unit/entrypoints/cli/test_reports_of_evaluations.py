"""Reports are kept, found again, and compared with what they can be compared with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from rich.console import Console

from entrypoints.cli.evaluation.plot import svg_of
from entrypoints.cli.evaluation.reports import Report, keep, last_like, measured
from entrypoints.cli.evaluation.table import remarks, table_of

AT = datetime(2026, 11, 28, 12, tzinfo=UTC)
JUDGEMENTS = {"q1": {"a": 1}, "q2": {"b": 1}}


def _report(rankings: dict[str, list[str]], **changed: object) -> Report:
    mode = measured(rankings, JUDGEMENTS, milliseconds=[1.0, 3.0], done_as_asked=2)
    report = Report(
        collection="<pairs>",
        fingerprint="0123",
        at=AT,
        strongroom="0.1.0",
        server="an instance of its own",
        documents=2,
        documents_searchable=2,
        queries=2,
        aggregate="passages",
        limit=50,
        seconds={},
        load_average=(0.0, 0.0),
        modes={"hybrid": mode},
    )
    return msgspec.structs.replace(report, **changed)


BETTER = {"q1": ["a"], "q2": ["a", "b"]}
WORSE = {"q1": ["b", "a"]}


def test_quality_and_latency_are_summed_up() -> None:
    mode = _report(BETTER).modes["hybrid"]
    assert mode.quality["mrr_at_10"] == pytest.approx(0.75)
    assert mode.latency == {"p50_ms": 2.0, "p95_ms": 2.9, "p99_ms": 3.0}
    assert _report(WORSE).modes["hybrid"].without_answer == 1


def test_the_last_report_that_compares_is_found(tmp_path: Path) -> None:
    old, new = _report(WORSE), _report(BETTER, at=AT + timedelta(days=2))
    assert last_like(new, tmp_path) is None
    keep(old, tmp_path)
    keep(_report(WORSE, at=AT + timedelta(days=1), limit=10), tmp_path)
    keep(_report(WORSE, at=AT + timedelta(days=1, hours=1), fingerprint="4567"), tmp_path)
    (keep(new, tmp_path).parent / "30000101T000000.000000Z.json").write_text("{")
    assert last_like(_report(BETTER), tmp_path) == new
    assert last_like(_report(BETTER, limit=10), tmp_path) is not None
    assert last_like(_report(BETTER, collection="other"), tmp_path) is None


def test_the_difference_to_the_last_report_is_shown() -> None:
    now, then = _report(BETTER), _report(WORSE)
    console = Console(record=True, width=100)
    console.print(table_of(now, then))
    shown = console.export_text()
    assert "0.7500" in shown
    assert "+0.5000" in shown
    assert any("rose for 2 queries and fell for 0" in line for line in remarks(now, then))
    assert any("1 queries got no answer" in line for line in remarks(then, now))
    assert "no earlier report" in " ".join(remarks(now, None))


def test_the_plot_is_well_formed_and_marks_what_was_before() -> None:
    now, then = _report(BETTER), _report(WORSE)
    root = ElementTree.fromstring(svg_of(now, then))
    assert len(root.findall("{*}path")) == 4
    assert ElementTree.fromstring(svg_of(now, None)).findall("{*}path") == []
    assert any("<pairs>" in (text.text or "") for text in root.findall("{*}text"))
