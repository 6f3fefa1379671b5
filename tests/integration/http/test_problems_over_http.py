"""Whatever goes wrong, a client reads one shape, and learns nothing that it may not know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
import structlog
from litestar import get, post
from litestar.params import FromPath
from structlog.testing import capture_logs

from domain import errors
from entrypoints.http.access import PUBLIC
from entrypoints.http.problems import MEDIA_TYPE, Problem

SECRET = "the diagnosis is in this message"


class DocumentHidden(errors.NotFound):
    """You are on a list of people who may not see this document."""

    code = "document_hidden"


class GrantEnded(errors.Conflict):
    """The grant has ended."""

    code = "grant_ended"


REFUSALS: dict[str, tuple[Callable[[], errors.Refusal], int]] = {
    "invalid": (lambda: errors.Invalid("Too short.", field="/password"), 400),
    "refused": (lambda: errors.Refusal(), 400),
    "not_authenticated": (errors.NotAuthenticated, 401),
    "not_allowed": (errors.NotAllowed, 403),
    "insufficient_user_authentication": (errors.StepUpRequired, 403),
    "not_found": (DocumentHidden, 404),
    "grant_ended": (GrantEnded, 409),
    "precondition_failed": (errors.PreconditionFailed, 412),
    "too_large": (errors.TooLarge, 413),
    "unsupported_type": (errors.UnsupportedType, 415),
    "idempotency_key_reused": (errors.KeyReused, 422),
    "idempotency_key_in_use": (errors.KeyInUse, 409),
    "too_many_requests": (lambda: errors.TooMany(retry_after_seconds=7), 429),
    "unavailable": (lambda: errors.Unavailable(retry_after_seconds=3), 503),
}


class DatabaseLost(Exception):
    pass


@get("/refuse/{code:str}", opt=PUBLIC)
async def refuse(code: FromPath[str]) -> None:
    raise REFUSALS[code][0]()


@get("/crash", opt=PUBLIC)
async def crash() -> None:
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        raise RuntimeError(SECRET) from error


@get("/lost", opt=PUBLIC)
async def lost() -> None:
    raise DatabaseLost(SECRET)


@get("/mine")
async def mine() -> dict[str, str]:
    return {}


@get("/documents/{document_id:uuid}", opt=PUBLIC)
async def document(document_id: FromPath[UUID]) -> None:
    raise DocumentHidden


@post("/documents", opt=PUBLIC)
async def add() -> None: ...


ROUTES = (refuse, crash, lost, mine, document, add)


def read(response: Any) -> Problem:
    assert response.headers["content-type"] == MEDIA_TYPE
    problem = msgspec.json.decode(response.content, type=Problem)
    assert problem.status == response.status_code
    assert problem.request_id == response.headers["x-request-id"] != ""
    assert problem.title
    assert problem.detail
    assert problem.type.endswith(problem.code)
    return problem


async def test_every_kind_of_refusal_has_its_status_and_code(serve: Any) -> None:
    async with serve(*ROUTES) as running:
        for code, (_, status) in REFUSALS.items():
            problem = read(await running.client.get(f"/refuse/{code}"))
            assert (problem.code, problem.status) == (code, status)
            assert problem.instance == f"/refuse/{code}"


async def test_refusals_carry_the_headers_that_clients_act_on(serve: Any) -> None:
    async with serve(*ROUTES) as running:
        get = running.client.get
        assert (await get("/refuse/not_authenticated")).headers["www-authenticate"] == "Bearer"
        insufficient = await get("/refuse/insufficient_user_authentication")
        assert insufficient.headers["www-authenticate"] == (
            'Bearer error="insufficient_user_authentication", acr_values="mfa"'
        )
        assert (await get("/refuse/too_many_requests")).headers["retry-after"] == "7"
        assert (await get("/refuse/unavailable")).headers["retry-after"] == "3"
        assert (await get("/refuse/idempotency_key_in_use")).headers["retry-after"] == "1"


async def test_a_refusal_that_blames_a_field_points_at_it(serve: Any) -> None:
    async with serve(*ROUTES) as running:
        problem = read(await running.client.get("/refuse/invalid"))
        assert [(e.pointer, e.detail) for e in problem.errors] == [("/password", "Too short.")]


async def test_hidden_and_absent_and_unrouted_look_the_same(serve: Any) -> None:
    async with serve(*ROUTES) as running:
        paths = [f"/documents/{uuid4()}", "/documents/not-a-uuid", "/nowhere", "/nowhere/at/all"]
        answers = [await running.client.get(path) for path in paths]
        seen = set()
        for answer in answers:
            problem = read(answer)
            same = msgspec.structs.replace(problem, instance="", request_id="")
            seen.add(msgspec.json.encode(same))
            varying = {"x-request-id", "date", "content-length"}
            assert set(answer.headers) == set(answers[0].headers) | varying
        assert len(seen) == 1
        assert b"list of people" not in seen.pop()


async def test_a_wrong_method_is_405_and_names_the_right_ones(serve: Any) -> None:
    async with serve(*ROUTES) as running:
        response = await running.client.delete("/documents")
        assert read(response).code == "method_not_allowed"
        assert response.headers["allow"] == "OPTIONS, POST"


async def test_a_crash_tells_nothing_to_the_client_and_no_content_to_the_log(serve: Any) -> None:
    async with serve(*ROUTES) as running:
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
            response = await running.client.get("/crash", headers={"X-Request-Id": "r-77"})
        problem = read(response)
        assert (problem.status, problem.code) == (500, "internal_error")
        assert SECRET not in response.text
        (failed,) = [entry for entry in logs if entry["event"] == "request_failed"]
        assert failed["request_id"] == "r-77"
        assert failed["exception"] == "builtins.RuntimeError"
        assert failed["causes"] == ["builtins.KeyError"]
        assert any("crash" in frame for frame in failed["frames"])
        assert SECRET not in repr(logs)


async def test_an_adapters_exception_means_what_the_container_says(serve: Any) -> None:
    translations = {DatabaseLost: lambda _: errors.Unavailable(retry_after_seconds=2)}
    async with serve(*ROUTES, translations=translations) as running:
        with capture_logs() as logs:
            response = await running.client.get("/lost")
        assert (read(response).status, response.headers["retry-after"]) == (503, "2")
        assert SECRET not in response.text + repr(logs)
        assert "dependency_failed" in [entry["event"] for entry in logs]


async def test_routes_need_a_caller_unless_they_opt_out(serve: Any) -> None:
    async with serve(*ROUTES) as running:
        assert (await running.client.get("/mine")).status_code == 200
        stranger = await running.client.get("/mine", headers={"Authorization": ""})
        assert read(stranger).status == 401
        assert stranger.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/nowhere", "/crash", "/mine", "/refuse/invalid"])
async def test_every_response_has_the_security_headers(serve: Any, path: str) -> None:
    async with serve(*ROUTES) as running:
        headers = (await running.client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "server" not in headers


async def test_a_sane_request_id_is_kept_and_any_other_replaced(serve: Any) -> None:
    async with serve(*ROUTES) as running:
        for sent in ("abc-123", "x" * 128):
            response = await running.client.get("/mine", headers={"X-Request-Id": sent})
            assert response.headers["x-request-id"] == sent
        for sent in ("has space", "x" * 129, ""):
            response = await running.client.get("/mine", headers={"X-Request-Id": sent})
            assert len(response.headers["x-request-id"]) == 32


async def test_one_line_is_logged_per_request_with_neither_ids_nor_query(serve: Any) -> None:
    document_id = uuid4()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with serve(*ROUTES) as running:
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logs:
            headers = {"traceparent": trace, "X-Request-Id": "r-1"}
            await running.client.get(f"/documents/{document_id}", headers=headers)
            await running.client.get("/nowhere?token=hidden")
        first, second = [entry for entry in logs if entry["event"] == "request_answered"]
        assert first["route"] == "/documents/{document_id}"
        assert (first["method"], first["status"]) == ("GET", 404)
        assert first["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
        assert first["request_id"] == "r-1"
        assert second["route"] == "(none)"
        assert second["request_id"] != "r-1"
        assert "trace_id" not in second
        assert str(document_id) not in repr(logs)
        assert "hidden" not in repr(logs)
        assert [a.route for a in running.answered] == ["/documents/{document_id}", "(none)"]
