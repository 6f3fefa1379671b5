"""Every error as `application/problem+json` (RFC 9457), whoever raised it."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap, Scope

from application.ports import Tampered
from domain import errors
from domain.errors import Refusal
from domain.identity import Acr
from entrypoints.http.parameters import wrong_parameters
from entrypoints.http.refusals import (
    BodyTooLarge,
    HttpRefusal,
    InvalidFields,
    StoredBytesAltered,
    WrongContentType,
)
from entrypoints.http.statuses import code_of, title_of

MEDIA_TYPE = "application/problem+json"

Translations = Mapping[type[Exception], Callable[[Exception], Refusal]]
"""What an adapter's exception means to a client, e.g. a lost database: Unavailable."""

_log = structlog.get_logger(__name__)


class ProblemField(msgspec.Struct, frozen=True, kw_only=True):
    """One field that is to blame."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong, in the shape of RFC 9457.

    `code` is stable and meant for programs; `request_id` is what to quote to the operator.
    `errors` names each field to blame by a JSON Pointer: into the body, or below `/query` or
    `/header`.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    errors: list[ProblemField] = msgspec.field(default_factory=list)


def problem_of(exception: Exception, scope: Scope) -> tuple[Problem, dict[str, str]]:
    """The problem that tells of an exception, and the headers that belong to it.

    Tells nothing of an exception that nobody anticipated, beyond that it happened. Useful by
    itself where the error takes another shape (an OpenAI body) or place (a stream's last event).
    """
    refusal = _as_refusal(exception, scope)
    if refusal is not None:
        return _refused(refusal, scope), _headers(refusal)
    if isinstance(exception, HTTPException) and exception.status_code < 500:
        return _framework_refused(exception, scope)
    return _problem(scope, 500, "internal_error", _UNEXPECTED), {}


def problem_response(exception: Exception, scope: Scope) -> Response[bytes]:
    problem, headers = problem_of(exception, scope)
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def exception_handlers(translations: Translations) -> ExceptionHandlersMap:
    """For Litestar: answer anything that is raised; log what nobody anticipated."""

    def answer(request: Request[Any, Any, Any], exception: Exception) -> Response[bytes]:
        response = problem_response(exception, request.scope)
        if response.status_code == 500:
            log_unexpected(exception)
        return response

    def translate(request: Request[Any, Any, Any], exception: Exception) -> Response[bytes]:
        kind = next(kind for kind in type(exception).__mro__ if kind in translations)
        _log.warning("dependency_failed", exception=_name(exception))
        return problem_response(translations[kind](exception), request.scope)

    return {HTTPException: answer, Exception: answer, **dict.fromkeys(translations, translate)}


def log_unexpected(exception: BaseException) -> None:
    """Log where it happened. Messages and locals stay out: they may hold what was private."""
    causes: list[str] = []
    cause = exception.__cause__ or exception.__context__
    while cause is not None and len(causes) < 8:
        causes.append(_name(cause))
        cause = cause.__cause__ or cause.__context__
    frames = traceback.extract_tb(exception.__traceback__)[-24:]
    _log.error(
        "request_failed",
        exception=_name(exception),
        causes=causes,
        frames=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    )


_UNEXPECTED = "Something went wrong on our side. Quote the request_id when you report it."

_STATUS_BY_KIND: dict[type[Refusal], int] = {
    errors.Invalid: 400,
    errors.NotAuthenticated: 401,
    errors.NotAllowed: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.PreconditionFailed: 412,
    errors.TooLarge: 413,
    errors.UnsupportedType: 415,
    errors.KeyReused: 422,
    errors.TooMany: 429,
    errors.Unavailable: 503,
    Refusal: 400,
}


def _as_refusal(exception: Exception, scope: Scope) -> Refusal | None:
    """The refusal that was raised, or that one of the framework's exceptions amounts to."""
    if isinstance(exception, Refusal):
        # Whatever is hidden looks like what does not exist, to the letter.
        return errors.NotFound() if isinstance(exception, errors.NotFound) else exception
    if isinstance(exception, Tampered):
        return StoredBytesAltered()
    if isinstance(exception, ValidationException):
        try:
            return InvalidFields(wrong_parameters(exception, scope.get("route_handler")))
        except errors.NotFound as nothing:
            return nothing
    if isinstance(exception, HTTPException):
        if exception.status_code == 401:
            return errors.NotAuthenticated()
        if exception.status_code == 404:
            return errors.NotFound()
        if exception.status_code == 413:
            handler: Any = scope.get("route_handler")
            return BodyTooLarge(handler.resolve_request_max_body_size() or 0)
    return None


def _refused(refusal: Refusal, scope: Scope) -> Problem:
    if isinstance(refusal, InvalidFields):
        wrong = [ProblemField(pointer=e.pointer, detail=e.detail) for e in refusal.errors]
    elif isinstance(refusal, errors.InvalidParts):
        wrong = [ProblemField(pointer=e.pointer, detail=e.detail) for e in refusal.faults]
    elif refusal.field is not None:
        wrong = [ProblemField(pointer=refusal.field, detail=refusal.message)]
    else:
        wrong = []
    return _problem(scope, _status(refusal), refusal.code, refusal.message, wrong)


def _framework_refused(exception: HTTPException, scope: Scope) -> tuple[Problem, dict[str, str]]:
    # The framework's own words may quote the URL with its query, so they are not repeated.
    status = HTTPStatus(exception.status_code)
    headers = {}
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = (exception.headers or {}).get("allow", "")
        headers["Allow"] = ", ".join(sorted(allowed.split(", ")))
    code = "invalid" if status == HTTPStatus.BAD_REQUEST else code_of(status)
    return _problem(scope, status, code, f"{title_of(status)}: {status.description}."), headers


def _problem(
    scope: Scope, status: int, code: str, detail: str, wrong: list[ProblemField] | None = None
) -> Problem:
    raw_path = scope.get("raw_path") or b""
    return Problem(
        type=f"urn:strongroom:problem:{code}",
        title=title_of(status),
        status=status,
        detail=detail,
        instance=raw_path.split(b"?", 1)[0].decode("latin-1")[:512],
        code=code,
        request_id=scope.get("state", {}).get("request_id", ""),
        errors=wrong or [],
    )


def _status(refusal: Refusal) -> int:
    if isinstance(refusal, HttpRefusal):
        return refusal.status
    return next(_STATUS_BY_KIND[kind] for kind in type(refusal).__mro__ if kind in _STATUS_BY_KIND)


def _headers(refusal: Refusal) -> dict[str, str]:
    if isinstance(refusal, errors.NotAuthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(refusal, errors.StepUpRequired):
        return {"WWW-Authenticate": f'Bearer error="{refusal.code}", acr_values="{Acr.MFA}"'}
    if isinstance(refusal, errors.TooMany | errors.Unavailable | errors.KeyInUse):
        return {"Retry-After": str(max(1, refusal.retry_after_seconds))}
    if isinstance(refusal, WrongContentType):
        return {"Accept": ", ".join(refusal.accepted)}
    return refusal.headers() if isinstance(refusal, HttpRefusal) else {}


def _name(exception: BaseException) -> str:
    return f"{type(exception).__module__}.{type(exception).__qualname__}"
