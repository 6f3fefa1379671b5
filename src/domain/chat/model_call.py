"""Calls to models: each one that was made for an answer, how it went, and what it took."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from domain.chat.price import Tokens
from domain.identity import RunId

ANSWERED = "answered"
"""The outcome of the call that gave the answer. Of others it is the code of what went wrong."""

INTERRUPTED = "interrupted"
"""The outcome of the call during which the run ended, by whatever else."""

HEDGED = "hedged"
"""The outcome of the call that was stopped because one beside it had spoken first."""

ABANDONED = "abandoned"
"""The outcome of calls that nobody can tell of: their process has gone."""

RESTING = "model_resting"
PRICE_UNKNOWN = "model_price_unknown"
NOT_RESERVED = "model_not_reserved"
NOT_IN_USE = "model_not_in_use"

NOT_ASKED = frozenset({RESTING, PRICE_UNKNOWN, NOT_RESERVED, NOT_IN_USE})
"""The outcomes of calls whose turn came, and for which nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """One call. Nothing of what was asked or answered is in it.

    `cost_micros` is None where the price of that day is not known. `is_estimated`: the model did
    not say what it took. `first_piece_seconds` is None where no piece came.
    """

    model: str
    outcome: str
    tokens: Tokens = field(default_factory=Tokens)
    is_estimated: bool = False
    cost_micros: int | None = 0
    first_piece_seconds: float | None = None

    @property
    def was_asked(self) -> bool:
        """Whether the prompt was sent, or may have been: a server that does not answer may have
        read it."""
        return self.outcome not in NOT_ASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedCall:
    """A call as it stands in the ledger."""

    run_id: RunId
    number: int
    at: datetime
    call: ModelCall


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyUsage:
    """What one model took on one day. `unpriced_calls` are those whose cost is not known."""

    day: date
    model: str
    answers: int
    failed_calls: int
    tokens: Tokens
    cost_micros: int
    currency: str
    unpriced_calls: int
