"""Benchmarks of the gate and of the log still run, and both sides do their work.

Small, and without looking at the figures: that is what `python -m benchmarks` is for.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from adapters.postgres import audit_events
from benchmarks import (
    audited_release,
    encryption,
    measure,
    proofs,
    sealed_search,
    sequencer,
)
from benchmarks.measure import ROUNDS_MIN

MEASURE: dict[str, Callable[[], Awaitable[None]]] = {
    "audited_release": lambda: audited_release.measure(ROUNDS_MIN, 64),
    "encryption": lambda: encryption.measure(ROUNDS_MIN),
    "proofs": lambda: proofs.measure(ROUNDS_MIN, 5_000),
    "sealed_search": lambda: sealed_search.measure(ROUNDS_MIN, 2, [2]),
    "sequencer": lambda: sequencer.measure(ROUNDS_MIN, 1_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MEASURE))
async def test_a_benchmark_runs_to_its_report(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "encryption" and shutil.which("openssl") is None:
        pytest.skip("openssl is not here")
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    monkeypatch.setattr(encryption, "STREAM_BYTES", 4 * encryption.OPENED_BYTES)
    # One of them waits longer than the program does. It is to be as before for other tests.
    monkeypatch.setattr(audit_events, "RECORD_SECONDS_MAX", audit_events.RECORD_SECONDS_MAX)
    await MEASURE[name]()
    written = json.loads((tmp_path / f"{name}.json").read_text())
    assert written["figures"]
    assert all(
        len(side["rounds"]) == ROUNDS_MIN
        for sides in written["figures"].values()
        for side in sides.values()
    )
