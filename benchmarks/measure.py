"""How every benchmark measures: sides by turns, medians with their range, the machine's load.

A ratio is taken within each round, where both sides met the same machine, and its median is what
counts. Results go to benchmarks/results/ as JSON and as a plot.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks.plot import svg_of

RESULTS = Path(__file__).parent / "results"
ROUNDS_MIN = 5

Figures = Mapping[str, float]
"""What one side showed in one round. Each name ends in its unit: start_seconds, idle_mb."""

Side = Callable[[], Awaitable[Figures]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """`figure` of `side` is to be at most `ratio_max` times that of `against`, or `at_most`."""

    figure: str
    side: str
    against: str | None = None
    ratio_max: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The values of every figure of every side, one for each round."""

    name: str
    values: dict[str, dict[str, list[float]]]
    load_before: tuple[float, float, float]
    load_after: tuple[float, float, float] = field(default_factory=os.getloadavg)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def ratios(self, figure: str, side: str, against: str) -> list[float]:
        """Round by round."""
        pair = zip(self.values[figure][side], self.values[figure][against], strict=True)
        return [ours / theirs for ours, theirs in pair]


async def by_turns(
    name: str,
    sides: Mapping[str, Side],
    *,
    rounds: int = ROUNDS_MIN,
    rounds_min: int = ROUNDS_MIN,
) -> Measured:
    """Every side once a round; each round begins with the next side, so that none is always first.

    Fewer rounds than usual mean something where each of them measures very much.

    What a side raises ends the benchmark: sides assert that they did the work they were to do.
    """
    if rounds < rounds_min:
        raise SystemExit(f"At least {rounds_min} rounds, or the medians mean little.")
    load_before = os.getloadavg()
    values: dict[str, dict[str, list[float]]] = {}
    names = list(sides)
    for number in range(rounds):
        for side in names[number % len(names) :] + names[: number % len(names)]:
            print(f"round {number + 1} of {rounds}: {side}", flush=True)
            for figure, value in (await sides[side]()).items():
                values.setdefault(figure, {}).setdefault(side, []).append(value)
    return Measured(name=name, values=values, load_before=load_before)


def report(
    measured: Measured,
    *,
    goals: Sequence[Goal] = (),
    ratios: Sequence[tuple[str, str]] = (),
    notes: Sequence[str] = (),
) -> None:
    """Print the figures, and write them as JSON and as a plot.

    `ratios` names pairs of sides to be compared in every figure that both have, without a goal;
    not where the second has nothing to divide by.
    """
    verdicts = [_verdict(measured, goal) for goal in goals]
    content = {
        "benchmark": measured.name,
        "at": measured.at.isoformat(timespec="seconds"),
        "machine": _machine(),
        "load_average": {"before": measured.load_before, "after": measured.load_after},
        "figures": {
            figure: {side: _spread(values) for side, values in sides.items()}
            for figure, sides in measured.values.items()
        },
        "ratios": {
            f"{figure}: {side} / {against}": _spread(measured.ratios(figure, side, against))
            for figure, sides in measured.values.items()
            for side, against in ratios
            if side in sides and against in sides and all(sides[against])
        },
        "goals": verdicts,
        "notes": list(notes),
    }
    RESULTS.mkdir(exist_ok=True)
    written = RESULTS / f"{measured.name}.json"
    written.write_text(json.dumps(content, indent=2) + "\n")
    written.with_suffix(".svg").write_text(svg_of(measured.name, measured.values))
    _print(content)
    print(f"written: {written}, and its plot beside it")


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _verdict(measured: Measured, goal: Goal) -> dict[str, Any]:
    if goal.against is not None and goal.ratio_max is not None:
        found, limit = measured.ratios(goal.figure, goal.side, goal.against), goal.ratio_max
        what = f"{goal.figure}: {goal.side} / {goal.against}"
    else:
        assert goal.at_most is not None
        found, limit = measured.values[goal.figure][goal.side], goal.at_most
        what = f"{goal.figure}: {goal.side}"
    spread = _spread(found)
    return {"goal": what, "at_most": limit, "met": spread["median"] <= limit, **spread}


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {
        "median": round(statistics.median(values), 4),
        "min": round(min(values), 4),
        "max": round(max(values), 4),
        "rounds": [round(value, 4) for value in values],
    }


def _machine() -> dict[str, Any]:
    return {
        "processors": os.cpu_count(),
        "memory_mb": psutil.virtual_memory().total // 2**20,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _print(content: Mapping[str, Any]) -> None:
    for figure, sides in content["figures"].items():
        print(figure)
        for side, spread in sides.items():
            print(f"  {side:<34} {_shown(spread)}")
    for pair, spread in content["ratios"].items():
        print(f"ratio: {pair}: {_shown(spread)}")
    for verdict in content["goals"]:
        met = "met" if verdict["met"] else "MISSED"
        print(f"goal {met}: {verdict['goal']}: {_shown(verdict)}, at most {verdict['at_most']:g}")
    for note in content["notes"]:
        print(f"note: {note}")
    before, after = (content["load_average"][when][0] for when in ("before", "after"))
    print(f"load of the machine: {before:.1f} before, {after:.1f} after")


def _shown(spread: Mapping[str, Any]) -> str:
    return f"{spread['median']:.4g} ({spread['min']:.4g} to {spread['max']:.4g})"
