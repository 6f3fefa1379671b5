"""Errors as OpenAI's API tells them, for the routes that its clients call."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from domain.chat.budget import BudgetExhausted
from entrypoints.http.problems import ProblemField, log_unexpected, problem_of


class OpenAIError(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What went wrong. `code` is stable and meant for programs; `param` names the first field to
    blame as OpenAI does, `errors` all of them by JSON Pointers."""

    message: str
    type: str
    param: str | None
    code: str | None
    request_id: str = ""
    errors: list[ProblemField] = msgspec.field(default_factory=list)


class OpenAIErrorBody(msgspec.Struct, kw_only=True):
    """The body of every response that is an error."""

    error: OpenAIError


def openai_error(status: int, code: str, message: str, **more: Any) -> OpenAIErrorBody:
    """`param`, `request_id` and `errors` where there are any."""
    param = more.pop("param", None)
    kind = "server_error" if status >= 500 else _KINDS.get(status, "invalid_request_error")
    kind = _KINDS_BY_CODE.get(code, kind)
    return OpenAIErrorBody(
        error=OpenAIError(message=message, type=kind, param=param, code=code, **more)
    )


def openai_error_response(
    request: Request[Any, Any, Any], exception: Exception
) -> Response[OpenAIErrorBody]:
    """The same refusal as everywhere else, in the other shape."""
    problem, headers = problem_of(exception, request.scope)
    if problem.status == 500:
        log_unexpected(exception)
    if problem.code in _KINDS_BY_CODE:
        headers |= _NO_RETRY
    body = openai_error(
        problem.status,
        problem.code,
        problem.detail,
        param=_param(problem.errors[0].pointer) if problem.errors else None,
        request_id=problem.request_id,
        errors=problem.errors,
    )
    return Response(body, status_code=problem.status, headers=headers, media_type=MediaType.JSON)


OPENAI_ERRORS: ExceptionHandlersMap = {
    HTTPException: openai_error_response,
    Exception: openai_error_response,
}

# As OpenAI calls what is spent. Its clients would try again at once, which helps nobody.
_KINDS_BY_CODE = {BudgetExhausted.code: "insufficient_quota"}
_NO_RETRY = {"X-Should-Retry": "false"}
_KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def _param(pointer: str) -> str:
    """`messages[0].content` for `/messages/0/content`."""
    shown = ""
    for token in pointer.removeprefix("/").split("/"):
        name = token.replace("~1", "/").replace("~0", "~")
        shown += f"[{name}]" if name.isdigit() else f".{name}" if shown else name
    return shown
