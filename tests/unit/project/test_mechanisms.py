"""The list of mechanisms is of this code: what `python -m tests.mechanisms` takes out is there."""

from __future__ import annotations

from pathlib import Path

from tests.mechanisms.taken_out import MECHANISMS

ROOT = Path(__file__).parents[3]


def test_what_is_taken_out_stands_in_its_file_once() -> None:
    for mechanism in MECHANISMS:
        for edit in mechanism.taken_out:
            text = (ROOT / edit.file).read_text()
            assert text.count(edit.old) == 1, f"{mechanism.what}: {edit.file}"


def test_the_tests_that_are_to_fail_are_there() -> None:
    for mechanism in MECHANISMS:
        for named in mechanism.test.split():
            file, _, test = named.partition("::")
            assert (ROOT / file).exists(), named
            assert not test or f"def {test}(" in (ROOT / file).read_text(), named


def test_every_invariant_of_the_gate_has_one() -> None:
    assert {5, 6, 7, 9, 10, 12, 13, 14, 19, 20, 22} <= {each.invariant for each in MECHANISMS}
