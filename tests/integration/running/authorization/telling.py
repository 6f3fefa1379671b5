"""What an answer tells: all of it, but for what says which request it was."""

from __future__ import annotations

import re
from collections.abc import Iterable

import httpx2

_NOT_COMPARED = {"date", "x-request-id", "content-length", "etag"}
_CHANGING = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?"), "<time>"),
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*"), "<signed>"),
    (re.compile(r"sr[lrgs]_[\w-]{72}"), "<token>"),
    (re.compile(r'"(request_id|instance|sha256)":"[^"]*"'), "<which request>"),
    (re.compile(r'"took_ms":[\d.]+'), "<time it took>"),
    (re.compile(r'"created":\d+'), "<time>"),
    # Of the whole tenant, and so of nobody: it grows with whatever anybody does.
    (re.compile(r'"checkpoint":"[^"]*"'), "<checkpoint>"),
    # What is new is being indexed meanwhile.
    (re.compile(r'"(state|searchable_version)":("(received|extracting|ready)"|null|1)'), "<state>"),
)


def told(answer: httpx2.Response, named: str) -> tuple[int, list[tuple[str, str]], str]:
    """Status, headers and body, without what was named and what is new with each request."""
    headers = [(name, value) for name, value in answer.headers.items() if name not in _NOT_COMPARED]
    texts = [(name, unnamed(value, named)) for name, value in headers]
    return answer.status_code, texts, unnamed(answer.text, named)


def unnamed(text: str, named: str) -> str:
    text = text.replace(named, "<what was named>")
    for changing, stands_for in _CHANGING:
        text = changing.sub(stands_for, text)
    return text


def secrets_told(answer: httpx2.Response, secrets: Iterable[str]) -> list[str]:
    """Those that stand anywhere in an answer, but for what the request said itself."""
    said = str(answer.request.url).encode() + _body_of(answer.request)
    whole = answer.content + str(answer.headers).encode()
    return [each for each in secrets if each.encode() in whole and each.encode() not in said]


def _body_of(request: httpx2.Request) -> bytes:
    try:
        return request.content
    except httpx2.RequestNotRead:
        return b""  # a file, which names nothing
