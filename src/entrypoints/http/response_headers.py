"""The headers of responses, as the OpenAPI document declares them.

Whoever reads the document knows each header that may come, beside those by which HTTP itself says
how a body is sent. The test of the authorization matrix compares this with what is really sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]

EVERYWHERE = (
    "X-Request-Id",
    "X-Content-Type-Options",
    "Cache-Control",
    "Content-Security-Policy",
    "Referrer-Policy",
)

_SAYS = {
    "X-Request-Id": "What to quote to the operator: the client's own X-Request-Id, or a new one.",
    "X-Content-Type-Options": "`nosniff`.",
    "Cache-Control": "`no-store`, but for what never changes or is public.",
    "Content-Security-Policy": "What a browser that shows the response may do: nothing.",
    "Referrer-Policy": "`no-referrer`.",
    "Pragma": "`no-cache`, as OAuth demands.",
    "Location": "Where to find what was made.",
    "ETag": "The version, for If-Match and If-None-Match.",
    "Accept-Ranges": "`bytes`.",
    "Content-Range": "Which bytes of how many these are.",
    "Content-Disposition": "That a browser is to save it, and as what.",
    "X-Release-Id": "The entry of the log that tells of this reading.",
    "X-Release-Promise": "Base64 of a signed note: the log will have that entry in time.",
    "X-Text-Key": "Base64 of 32 bytes: HMAC-SHA-256 of the whole text under this key stands "
    "for the text in manifests and in the log. Absent where nothing stands for it.",
    "X-Accel-Buffering": "`no`: proxies pass each event on at once. Of streams only.",
    "X-Vercel-AI-UI-Message-Stream": "`v1`: the version of the UI message stream.",
    "X-Should-Retry": "`false`: tells OpenAI's clients not to try again by themselves.",
    "Retry-After": "Seconds after which to try again.",
    "RateLimit": "What is left of the limit that was reached, and when it is whole again.",
    "RateLimit-Policy": "The limit that was reached.",
    "WWW-Authenticate": "Which token or factor is missing, or how a client authenticates.",
    "Allow": "The methods that there are.",
    "Accept": "The content types that this route reads.",
}

_ANSWERS = "/v1/conversations/{conversation_id}/messages"
_MADE = (
    "POST /v1/accounts",
    "POST /v1/me/totp",
    "POST /v1/documents",
    "POST /v1/records",
    "POST /v1/collections",
    "POST /v1/grants",
    "POST /v1/consents",
    "POST /v1/consents/{consent_id}/approve",
    "POST /v1/consents/{consent_id}/renew",
    "POST /v1/links",
    "POST /v1/service-clients",
    "POST /v1/conversations",
    f"POST {_ANSWERS}",
    f"POST {_ANSWERS}/{{message_id}}/answers",
)
_DOWNLOADED = (
    "GET /v1/documents/{document_id}/content",
    "GET /v1/documents/{document_id}/text",
)
_VERSIONED = (
    *_DOWNLOADED,
    "POST /v1/documents",
    "GET /v1/documents/{document_id}",
    "PATCH /v1/documents/{document_id}",
    "PUT /v1/documents/{document_id}/content",
    "PUT /v1/documents/{document_id}/index-mode",
    "POST /v1/records",
    "GET /v1/records/{record_id}",
    "PATCH /v1/records/{record_id}",
    "PUT /v1/records/{record_id}/index-mode",
    "GET /v1/schemas/{schema_name}",
    "PUT /v1/schemas/{schema_name}",
)
_UI_STREAMED = ("POST /api/chat", "GET /api/chat/{chat_id}/stream")
_STREAMED = (
    *_UI_STREAMED,
    "GET /v1/documents/{document_id}/events",
    "GET /v1/runs/{run_id}/events",
    f"POST {_ANSWERS}",
    f"POST {_ANSWERS}/{{message_id}}/answers",
    "POST /v1/chat/completions",
)
_RELEASED = ("Accept-Ranges", "Content-Range", "X-Release-Id", "X-Release-Promise")
_SENT: dict[str, tuple[str, ...]] = {
    "Location": _MADE,
    "ETag": _VERSIONED,
    "Content-Disposition": (*_DOWNLOADED, "GET /v1/runs/{run_id}/bundle"),
    **dict.fromkeys(_RELEASED, _DOWNLOADED),
    "X-Text-Key": ("GET /v1/documents/{document_id}/text",),
    "X-Accel-Buffering": _STREAMED,
    "X-Vercel-AI-UI-Message-Stream": _UI_STREAMED,
    "Pragma": ("POST /v1/oauth/token", "POST /v1/oauth/revoke", "POST /v1/oauth/introspect"),
    "Retry-After": ("GET /health/ready",),
    "WWW-Authenticate": ("POST /v1/oauth/token",),
}
"""By which operations each is sent with what they answer."""

_OF_PROBLEMS = {
    "NotAuthenticated": ("WWW-Authenticate",),
    "UnsupportedType": ("Accept",),
    "KeyInUse": ("Retry-After",),
    "TooMany": ("Retry-After", "RateLimit", "RateLimit-Policy"),
    "Unavailable": ("Retry-After",),
    "Problem": ("WWW-Authenticate", "Allow"),
}

OPERATIONS = frozenset(each for operations in _SENT.values() for each in operations)


def header_components() -> Json:
    """`components.headers` of the document."""
    text = {"type": "string"}
    return {name: {"description": says, "schema": text} for name, says in _SAYS.items()}


def headers_of_operation(operation: str) -> Json:
    """What an operation, as `METHOD /path/{name}`, sends with what is not described elsewhere."""
    return _references([*EVERYWHERE, *(name for name, by in _SENT.items() if operation in by)])


def headers_of_problem(name: str, *, to_openai: bool = False) -> Json:
    """What comes with a refusal, by the name of its description."""
    openai = ("X-Should-Retry",) if to_openai else ()
    return _references([*EVERYWHERE, *_OF_PROBLEMS.get(name, ()), *openai])


def _references(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
