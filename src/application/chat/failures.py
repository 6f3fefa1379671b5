"""Why a run failed, as the problem document (RFC 9457) of its last event."""

from __future__ import annotations

from http import HTTPStatus

from application.chat.language_model import ModelRefused, ModelTooSlow
from domain.chat.event import Failed
from domain.errors import Refusal, TooMany, Unavailable


class RunTooLong(Unavailable):
    """The answer took longer than an answer may take."""

    code = "run_too_long"


class QueuedTooLong(Unavailable):
    """The question waited for its turn longer than a question may wait; ask again."""

    code = "queued_too_long"


class AnswerTooLong(Refusal):
    """The answer grew longer than an answer may be."""

    code = "answer_too_long"


class ServerStopping(Unavailable):
    """This server is stopping; ask again, and another one answers."""

    code = "server_stopping"


class RunAbandoned(Unavailable):
    """The process that wrote this answer has gone; ask again."""

    code = "run_abandoned"


class RunBroken(Refusal):
    """Something went wrong on our side."""

    code = "internal_error"


def failure_of(error: BaseException) -> Failed:
    """Tells nothing of an error that nobody anticipated, beyond that it happened."""
    refusal = error if isinstance(error, Refusal) else RunBroken()
    status = _status(refusal)
    return Failed(
        code=refusal.code,
        title=status.phrase,
        status=status,
        detail=refusal.message,
        retryable=isinstance(refusal, Unavailable | TooMany),
    )


def _status(refusal: Refusal) -> HTTPStatus:
    if isinstance(refusal, ModelTooSlow | RunTooLong | QueuedTooLong):
        return HTTPStatus.GATEWAY_TIMEOUT
    if isinstance(refusal, Unavailable):
        return HTTPStatus.SERVICE_UNAVAILABLE
    if isinstance(refusal, ModelRefused | AnswerTooLong):
        return HTTPStatus.BAD_GATEWAY
    if isinstance(refusal, TooMany):
        return HTTPStatus.TOO_MANY_REQUESTS
    return HTTPStatus.INTERNAL_SERVER_ERROR
