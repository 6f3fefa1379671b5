"""What one answer may take: time, length, attempts, tokens."""

from __future__ import annotations

from dataclasses import dataclass, field

from application.chat.language_model import ModelLimits
from domain.chat.price import Tokens
from domain.chat.prompt import tokens_at_most
from domain.chat.question import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLimits:
    """What one answer may take. `history_tokens_max` 0: earlier answers do not go in a prompt.

    A model that did not say a word is tried again after a pause, so many times in all; where it
    asks for a longer pause than `pause_seconds_max`, the next one is tried. Where the first model
    says nothing for `hedge_seconds`, the next one is called beside it; None: it is waited for.
    """

    first_piece_seconds_max: float = 30.0
    piece_seconds_max: float = 30.0
    hedge_seconds: float | None = None
    run_seconds_max: float = 300.0
    answer_bytes_max: int = 256 * 1024
    excerpts_max: int = 8
    history_tokens_max: int = 0
    attempts_max: int = 2
    pause_seconds: float = 0.25
    pause_seconds_max: float = 2.0
    model: ModelLimits = field(default_factory=ModelLimits)

    def tokens_at_most(self, question: Question) -> Tokens:
        """What one call of a model takes."""
        return tokens_at_most(
            question,
            history_tokens_max=self.history_tokens_max,
            excerpts_max=self.excerpts_max,
            output_tokens_max=self.model.output_tokens_max,
        )
