"""What the doctor may say of streams that ended around a withdrawal."""

from __future__ import annotations

from entrypoints.cli.doctor.findings import Outcome
from entrypoints.cli.doctor.revoking import told_of_streams


def test_streams_that_ended_soon_after_held() -> None:
    found = told_of_streams([10.0, 10.3, 10.5], asked=9.9, acknowledged=10.25)
    assert found.outcome is Outcome.HELD
    assert found.told.endswith("p50 50 ms, the last 250 ms")


def test_a_stream_that_went_on_is_broken() -> None:
    found = told_of_streams([10.5, 40.0], asked=9.9, acknowledged=10.25)
    assert found.outcome is Outcome.BROKEN


def test_a_stream_that_was_cut_before_the_withdrawal_measures_nothing() -> None:
    found = told_of_streams([9.0, 10.3, 10.5], asked=9.9, acknowledged=10.25)
    assert found.outcome is Outcome.DOUBTFUL
    assert "not measured: 1 of 3 were cut before" in found.told
    assert " ms" not in found.told
