"""LanguageModel: writes the answer to a prompt, piece by piece."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from domain.chat.model_call import NOT_IN_USE, RESTING
from domain.chat.prompt import Prompt
from domain.errors import Refusal, Unavailable


class ModelUnavailable(Unavailable):
    """The language model does not answer.

    `rest_seconds`: it asked to be left alone for so long; 0: it did not say.
    """

    code = "model_unavailable"

    def __init__(
        self, message: str | None = None, *, rest_seconds: int = 0, retry_after_seconds: int = 5
    ) -> None:
        super().__init__(message, retry_after_seconds=max(rest_seconds, retry_after_seconds))
        self.rest_seconds = rest_seconds


class ModelOverloaded(ModelUnavailable):
    """The language model has more to do than it takes."""

    code = "model_overloaded"


class ModelTooSlow(ModelUnavailable):
    """The language model did not answer in time."""

    code = "model_too_slow"


class ModelResting(ModelUnavailable):
    """The language model failed again and again, and is left alone for a while."""

    code = RESTING


class ModelFailed(Unavailable):
    """The language model failed."""

    code = "model_failed"


class ModelBrokeOff(ModelFailed):
    """The language model broke off."""

    code = "model_broke_off"


class ModelUnreadable(ModelFailed):
    """The language model sent what cannot be understood."""

    code = "model_unreadable"


class ModelSilent(ModelFailed):
    """The language model said nothing."""

    code = "model_silent"


class ModelRefused(Refusal):
    """The language model does not accept this request."""

    code = "model_refused"


class ModelLockedOut(ModelRefused):
    """The language model does not accept our key."""

    code = "model_locked_out"


class ModelNotInUse(ModelRefused):
    """The language model is not configured any more, or not chosen."""

    code = NOT_IN_USE


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
    """What the answer took so far; the last one counts. `cached_tokens` are among the input's."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class CutOff:
    """The answer has come to its limit, and ends where it stands: there was more to say."""


Piece: TypeAlias = Text | Quote | Spent | CutOff


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimits:
    """What one answer may take."""

    output_tokens_max: int = 2_048


class LanguageModel(Protocol):
    """Streams one answer. It keeps nothing, and does nothing but write.

    Raises ModelUnavailable when it is absent, down or overloaded (it, or another one, may be tried
    if nothing was written yet), ModelFailed when it breaks off, ModelRefused when trying again
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

    @property
    def is_metered(self) -> bool:
        """Whether it takes tokens. One that does not costs nothing, and needs no budget."""
        ...

    def stream(self, prompt: Prompt, limits: ModelLimits) -> AsyncGenerator[Piece, None]: ...

    async def close(self) -> None:
        """Release what it holds; nothing is streamed after that."""
        ...
