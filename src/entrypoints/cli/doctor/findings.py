"""What an examination found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """`doubtful`: nothing is broken by it, and yet somebody should know."""

    HELD = "held"
    DOUBTFUL = "doubtful"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    outcome: Outcome
    told: str


def held_if(holds: bool, told: str) -> Finding:
    return Finding(Outcome.HELD if holds else Outcome.BROKEN, told)


def sound_if(sound: bool, told: str, *, otherwise: str) -> Finding:
    return Finding(Outcome.HELD, told) if sound else Finding(Outcome.DOUBTFUL, otherwise)


def percentile(values: Sequence[float], percent: int) -> float:
    """Of at least one value; the smallest that `percent` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
