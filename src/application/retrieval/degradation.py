"""What a search could not do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Degradation:
    """A step of the search that was wanted and not done, and why.

    `left_out` counts the documents that were not searched, where that is what happened.
    """

    step: str
    reason: str
    left_out: int | None = None
