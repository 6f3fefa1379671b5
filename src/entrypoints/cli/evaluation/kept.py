"""Reports of evaluations as files: kept under the data directory, and compared with later."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec


class Dated(Protocol):
    """A report of anything."""

    @property
    def at(self) -> datetime: ...


class Comparable(Dated, Protocol):
    def compares_with(self, other: object, /) -> bool:
        """Whether both asked the same, so that a difference is ours."""
        ...


Kept = TypeVar("Kept", bound=Comparable)


def place_of(home: Path, kind: str, name: str) -> Path:
    """Where reports of one kind about one thing lie, under the data directory."""
    return home / "evaluations" / kind / name


def keep_in(place: Path, report: Dated) -> Path:
    """Write it beside earlier ones. Names sort by time."""
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = place / f"{report.at:%Y%m%dT%H%M%S.%fZ}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    return path


def last_in(place: Path, report: Kept) -> Kept | None:
    """The latest report that can be compared with this one; one that cannot be read is none."""
    for path in sorted(place.glob("*.json"), reverse=True):
        try:
            earlier = msgspec.json.decode(path.read_bytes(), type=type(report))
        except (msgspec.DecodeError, OSError):
            continue
        if report.compares_with(earlier):
            return earlier
    return None


def quantile(values: Sequence[float], percent: int) -> float:
    """Of at least one value; between two, as far on the way as the rank says."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
