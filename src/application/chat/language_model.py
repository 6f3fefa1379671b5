"""LanguageModel: writes the answer to a prompt, piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from domain.chat.prompt import Prompt
from domain.errors import Refusal, Unavailable


class ModelUnavailable(Unavailable):
    """The language model does not answer."""

    code = "model_unavailable"


class ModelTooSlow(ModelUnavailable):
    """The language model did not answer in time."""

    code = "model_too_slow"


class ModelFailed(Unavailable):
    """The language model broke off, or said what cannot be understood."""

    code = "model_failed"


class ModelRefused(Refusal):
    """The language model does not accept this request, or its configuration is wrong."""

    code = "model_refused"


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the answer; never empty."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The last `quote` bytes of the answer so far repeat the bytes [start, end) of a version."""

    excerpt_id: str
    start: int
    end: int
    quote: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What the answer took, at its end."""

    input_tokens: int
    output_tokens: int


Piece: TypeAlias = Text | Quote | Spent


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """What one answer may take."""

    output_tokens_max: int = 2_048


class LanguageModel(Protocol):
    """Streams one answer. It keeps nothing, and does nothing but write.

    Raises ModelUnavailable when it is absent, down or overloaded (another model may be tried if
    nothing was written yet), ModelFailed when it breaks off, ModelRefused when trying again
    would not help. It has no time limits of its own: the caller sets them, and closes the
    generator, which releases whatever the answer still occupies.
    """

    @property
    def name(self) -> str:
        """For events and figures, at most 100 characters."""
        ...

    @property
    def marks_sources(self) -> bool:
        """Whether it marks what it says with the ids of excerpts, instead of yielding Quotes."""
        ...

    def stream(self, prompt: Prompt, limits: ModelLimits) -> AsyncGenerator[Piece, None]: ...
