"""Refusal: the base of every anticipated "no", and the few kinds of it.

A refusal is a fact (`GrantAlreadyRevoked`), not an accident. Its `code` is a stable wire
name, its docstring the default message, and its kind (the class it derives from) is all
that an entrypoint needs in order to answer. What is raised and is not a Refusal is a bug.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class Refusal(Exception):
    """The request was refused."""

    code: ClassVar[str] = "refused"

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        """`field` is a JSON Pointer (RFC 6901) into the request, where one field is to blame."""
        self.message = message or _first_sentence(type(self))
        self.field = field
        super().__init__(self.message)


class Invalid(Refusal):
    """The request is not valid."""

    code = "invalid"


@dataclass(frozen=True, slots=True)
class Fault:
    """One part of what was sent that is to blame, by its JSON Pointer (RFC 6901), and why."""

    pointer: str
    detail: str


class InvalidParts(Invalid):
    """Some parts of what was sent are not valid; `faults` names each of them."""

    code = "invalid_parts"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__()
        self.faults = tuple(faults)


class NotAuthenticated(Refusal):
    """Sign in to do this."""

    code = "not_authenticated"


class NotAllowed(Refusal):
    """You may not do this. Raised only where the caller already knows that the thing exists."""

    code = "not_allowed"


class StepUpRequired(NotAllowed):
    """This takes a second factor: step up at /v1/sessions/step-up, and try again (RFC 9470)."""

    code = "insufficient_user_authentication"


class NotFound(Refusal):
    """There is nothing here for you: it does not exist, or you may not see it."""

    code = "not_found"


class Conflict(Refusal):
    """The present state does not admit this."""

    code = "conflict"


class PreconditionFailed(Refusal):
    """The version you named is no longer the current one."""

    code = "precondition_failed"


class TooLarge(Refusal):
    """It is larger than what is accepted."""

    code = "too_large"


class UnsupportedType(Refusal):
    """This type of content is not supported."""

    code = "unsupported_type"


class KeyReused(Refusal):
    """This Idempotency-Key was used before, with another request."""

    code = "idempotency_key_reused"


class KeyInUse(Conflict):
    """The first request with this Idempotency-Key is still under way; try again in a moment."""

    code = "idempotency_key_in_use"
    retry_after_seconds = 1


class TooMany(Refusal):
    """Too many requests; try again later."""

    code = "too_many_requests"

    def __init__(self, message: str | None = None, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(Refusal):
    """A part that is needed for this does not answer; nothing was changed."""

    code = "unavailable"

    def __init__(self, message: str | None = None, *, retry_after_seconds: int = 5) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class OutcomeUnknown(Unavailable):
    """It is not known whether this was done: repeat it, with the Idempotency-Key it came with."""

    code = "outcome_unknown"


def _first_sentence(kind: type[Refusal]) -> str:
    return (kind.__doc__ or "").strip().split("\n")[0]
