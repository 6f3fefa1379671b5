"""What holds for every request, whatever answers it: names, security headers, one log line, and
that "not found" takes as long whatever it was that was not found.

It wraps the whole application, routing and error handling included, so that a 404 and a crash
carry the same headers as a success.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from opentelemetry.trace import Span

from entrypoints.http.problems import MEDIA_TYPE, log_unexpected, problem_of
from entrypoints.http.request_ids import request_id_of, trace_parent_of
from entrypoints.telemetry import name_request, request_span

NOT_FOUND_SECONDS = 0.02
"""What is hidden takes the same steps as what does not exist, and yet a row that is there takes
other time to look for. So a 404 is sent after this long, or twice, thrice as long. Nothing is held.
`benchmarks/hidden_or_absent.py` measures what is left for a stranger to tell."""

_TIMER_SECONDS = 0.002  # timers are no finer, and what they round off would tell the rest

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """One request that was answered: what may be counted and logged of it.

    `route` is the template (`/v1/documents/{document_id}`), never the path: ids stay out of
    metrics and logs. `seconds` runs to the last byte, so a stream's is its whole life.
    """

    method: str
    route: str
    status: int
    seconds: float


class Edge:
    """An ASGI application around another, which holds these promises for it."""

    def __init__(self, app: ASGIApp, *, observe: Callable[[Answered], None] | None = None) -> None:
        """`observe` is told of every answered request; it must be quick and must not raise."""
        self._app = app
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _bind(scope)
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        with request_span(_method(scope), scope["state"].get("trace_parent")) as span:
            await self._answer(scope, receive, send, span)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, span: Span) -> None:
        started = time.perf_counter()
        answer = _Answer(send, scope["state"]["request_id"], started)
        try:
            await self._app(scope, receive, answer.send)
        except Exception as exception:  # noqa: BLE001
            # The last resort: the server would log it with its message, which may be private.
            log_unexpected(exception)
            if answer.status == 0:
                await send_problem(exception, scope, answer.send)
        finally:
            name_request(
                span,
                method=_method(scope),
                route=scope.get("path_template"),
                status=answer.status,
            )
            self._tell(scope, answer.status, time.perf_counter() - started)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        answered = Answered(
            method=_method(scope),
            route=str(scope.get("path_template") or "(none)"),
            status=status,
            seconds=seconds,
        )
        _log.info(
            "request_answered",
            method=answered.method,
            route=answered.route,
            status=status,
            milliseconds=round(seconds * 1000, 2),
        )
        if self._observe is not None:
            self._observe(answered)


class _Answer:
    """Adds the headers that every response has, and remembers the status."""

    __slots__ = ("_request_id", "_send", "_started", "status")

    def __init__(self, send: Send, request_id: str, started: float) -> None:
        self._send = send
        self._request_id = request_id.encode()
        self._started = started
        self.status = 0

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message["headers"])
            present = {name.lower() for name, _ in headers}
            headers.append((b"x-request-id", self._request_id))
            headers.extend(pair for pair in _SECURITY_HEADERS if pair[0] not in present)
            message["headers"] = headers
            if self.status == HTTPStatus.NOT_FOUND:
                await _pause_since(self._started)
        await self._send(message)


async def _pause_since(started: float) -> None:
    """Until a whole number of NOT_FOUND_SECONDS has passed. Others have their turn meanwhile."""
    passed = (time.perf_counter() - started) / NOT_FOUND_SECONDS
    due = started + math.ceil(passed) * NOT_FOUND_SECONDS
    while True:
        left = due - time.perf_counter()
        if left <= 0:
            return
        await asyncio.sleep(max(0.0, left - _TIMER_SECONDS))


# A route that serves a page or something cacheable sets its own; these are what else holds.
_SECURITY_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


def _bind(scope: Scope) -> None:
    scope.setdefault("state", {})
    request_id = scope["state"]["request_id"] = request_id_of(scope)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    if trace := trace_parent_of(scope):
        scope["state"]["trace_parent"] = trace
        structlog.contextvars.bind_contextvars(
            trace_id=trace.trace_id, parent_span_id=trace.parent_id
        )


def _method(scope: Scope) -> str:
    return str(scope.get("method", ""))


async def send_problem(exception: Exception, scope: Scope, send: Send) -> None:
    """Answer with what tells of an exception, where no handler of the framework does."""
    problem, headers = problem_of(exception, scope)
    headers = {"content-type": MEDIA_TYPE, **headers}
    await send(
        {
            "type": "http.response.start",
            "status": problem.status,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send(
        {"type": "http.response.body", "body": msgspec.json.encode(problem), "more_body": False}
    )
