"""Who may see what by its id: one rule for each operation, and the calls that try it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from tests.integration.running.people import PURPOSE, Json, grant_body, json_of

Ids = Mapping[str, str]
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The statuses that an operation answers with.

    `owner` while nothing is withdrawn; `granted` for whom it is shared with; `withdrawn` for the
    same person afterwards. For everybody else, always `hidden`, and to the letter what is
    answered for an id that nobody has. `neighbours`: what others of the tenant are answered where
    nothing is hidden from them. `ends`: the owner's own call would end the scene, so it is tried
    last.
    """

    owner: int
    granted: int = 404
    withdrawn: int = 404
    hidden: int = 404
    neighbours: int | None = None
    ends: bool = False
    options: Callable[[Ids], dict[str, Any]] = field(default=lambda ids: {})


def _for_the_purpose(ids: Ids) -> dict[str, Any]:
    return {"params": {"purpose": PURPOSE}}


def _new_version(ids: Ids) -> dict[str, Any]:
    return {"headers": {"If-Match": '"1"'}, "content": b"Something else altogether."}


def _grant(ids: Ids) -> dict[str, Any]:
    return {"json": grant_body(ids["document_id"], ids["another_person_id"])}


def _question(ids: Ids) -> dict[str, Any]:
    return {"json": {"content": "What did the heron do?", "document_ids": [ids["document_id"]]}}


def _completion(ids: Ids) -> dict[str, Any]:
    asked = {"role": "user", "content": "What did the heron do?"}
    terms = {"conversation_id": ids["conversation_id"]}
    return {"json": {"model": "extractive-1", "messages": [asked], "strongroom": terms}}


def _chat(ids: Ids) -> dict[str, Any]:
    parts = [{"type": "text", "text": "What did the heron do?"}]
    asked = {"id": ids["conversation_id"], "message": {"role": "user", "parts": parts}}
    return {"json": {**asked, "purpose": PURPOSE, "document_ids": [ids["document_id"]]}}


def _search(ids: Ids) -> dict[str, Any]:
    filters = {"document_ids": [ids["document_id"]]}
    return {"json": {"query": "heron", "purpose": PURPOSE, "filters": filters}}


def _purpose(ids: Ids) -> dict[str, Any]:
    return {"json": {"title": "Insurance claims", "dpv_term": "dpv:ServiceProvision"}}


def _renewal(ids: Ids) -> dict[str, Any]:
    return {"json": {"expires_at": (datetime.now(UTC) + timedelta(hours=2)).isoformat()}}


def _schema(ids: Ids) -> dict[str, Any]:
    return {"headers": {"If-Match": '"1"'}, "json": {"type": "object"}}


def _patch(ids: Ids) -> dict[str, Any]:
    headers = {"If-Match": '"1"', "Content-Type": "application/merge-patch+json"}
    return {"headers": headers, "json": {"diagnosis": "None."}}


def _link(ids: Ids) -> dict[str, Any]:
    body = grant_body(ids["document_id"], "")
    del body["grantee"]
    return {"json": body}


def _title(ids: Ids) -> dict[str, Any]:
    return {"json": {"title": "Herons"}}


_DOCUMENT = "/v1/documents/{document_id}"
_LINK = "/v1/links/{link_id}"
_RECORD = "/v1/records/{record_id}"
_COLLECTION = "/v1/collections/{collection_id}"
_CONVERSATION = "/v1/conversations/{conversation_id}"
_RUN = "/v1/runs/{run_id}"
_READ = Rule(owner=200, granted=200, options=_for_the_purpose)
_EITHER_SIDE = Rule(owner=200, granted=200, withdrawn=200)

RULES: dict[str, Rule] = {
    f"GET {_DOCUMENT}": _READ,
    f"GET {_DOCUMENT}/content": _READ,
    f"GET {_DOCUMENT}/text": _READ,
    f"GET {_DOCUMENT}/versions": Rule(owner=200),
    f"GET {_DOCUMENT}/events": Rule(owner=200),
    f"GET {_DOCUMENT}/accesses": Rule(owner=200),
    f"GET {_DOCUMENT}/accesses/bundle": Rule(owner=200),
    f"GET {_DOCUMENT}/denials": Rule(owner=200),
    "GET /v1/schemas/{schema_name}": Rule(owner=200, granted=200, withdrawn=200, neighbours=200),
    "PUT /v1/schemas/{schema_name}": Rule(
        owner=200, granted=403, withdrawn=403, hidden=412, neighbours=403, options=_schema
    ),
    f"GET {_RECORD}": Rule(owner=200),
    f"GET {_RECORD}/versions": Rule(owner=200),
    f"PATCH {_RECORD}": Rule(owner=200, options=_patch),
    f"GET {_COLLECTION}": Rule(owner=200),
    f"PATCH {_COLLECTION}": Rule(owner=200, options=_title),
    f"GET {_COLLECTION}/items": Rule(owner=200),
    f"PUT {_COLLECTION}/items/{{document_id}}": Rule(owner=200),
    "POST /v1/links": Rule(owner=201, options=_link),
    f"GET {_LINK}": Rule(owner=200),
    f"POST {_LINK}/revoke": Rule(owner=200, ends=True),
    "POST /v1/grants": Rule(owner=201, options=_grant),
    "GET /v1/grants/{grant_id}": _EITHER_SIDE,
    "GET /v1/consents/{consent_id}": _EITHER_SIDE,
    "GET /v1/consents/{consent_id}/receipt": _EITHER_SIDE,
    "GET /v1/consents/{consent_id}/export": _EITHER_SIDE,
    "POST /v1/consents": Rule(owner=201, options=_grant),
    "POST /v1/consents/{consent_id}/approve": Rule(owner=409),
    "POST /v1/consents/{consent_id}/refuse": Rule(owner=409),
    "POST /v1/consents/{consent_id}/renew": Rule(owner=201, options=_renewal),
    "PUT /v1/purposes/{code}": Rule(
        owner=403, granted=403, withdrawn=403, hidden=403, options=_purpose
    ),
    "GET /v1/audit/events/{event_id}/proof": Rule(owner=200),
    "GET /v1/audit/events/{event_id}/promise": Rule(owner=200),
    f"GET {_CONVERSATION}": Rule(owner=200),
    f"GET {_CONVERSATION}/messages": Rule(owner=200),
    "POST /v1/chat/completions": Rule(owner=200, options=_completion),
    # Whosever conversation it names, or nobody's: for others it is a new chat of their own.
    "POST /api/chat": Rule(owner=200, granted=200, withdrawn=200, hidden=200, options=_chat),
    "GET /api/chat/{chat_id}/stream": Rule(owner=204, granted=204, withdrawn=204, hidden=204),
    f"POST {_CONVERSATION}/messages": Rule(owner=202, options=_question),
    f"GET {_RUN}": Rule(owner=200),
    f"GET {_RUN}/events": Rule(owner=200),
    f"GET {_RUN}/manifest": Rule(owner=200),
    f"GET {_RUN}/bundle": Rule(owner=200),
    f"POST {_RUN}/cancel": Rule(owner=202),
    "POST /v1/search": Rule(owner=200, granted=200, withdrawn=200, hidden=200, options=_search),
    "POST /v1/grants/{grant_id}/revoke": Rule(owner=409, ends=True),
    "POST /v1/consents/{consent_id}/withdraw": Rule(owner=409, ends=True),
    f"DELETE {_COLLECTION}/items/{{document_id}}": Rule(owner=200, ends=True),
    f"DELETE {_COLLECTION}": Rule(owner=200, ends=True),
    f"DELETE {_RECORD}": Rule(owner=200, ends=True),
    f"DELETE {_CONVERSATION}": Rule(owner=204, ends=True),
    f"PUT {_DOCUMENT}/content": Rule(owner=202, ends=True, options=_new_version),
    f"DELETE {_DOCUMENT}": Rule(owner=200, ends=True),
}

# Their parameters are no ids: they say where in the log of the asker's own tenant something lies.
POSITIONS = {"GET /v1/audit/tile/{level}/{index}", "GET /v1/audit/tile/entries/{index}"}

# Their parameters name what there is for everybody: the models of the deployment.
NAMES = {"GET /v1/models/{model}"}

# Their parameters are names that clients make up: nothing was asked under most of them.
MADE_UP = {"GET /api/chat/{chat_id}/stream"}

# Operations that need no token at all.
PUBLIC = {
    "GET /v1/checkpoints/checkpoint",
    "GET /v1/checkpoints/cosigned",
    "POST /v1/checkpoints/cosignatures",
    "GET /v1/checkpoints/key",
    "GET /v1/checkpoints/consistency",
    "GET /v1/checkpoints/tile/{level}/{index}",
    "GET /v1/links/open",
    "POST /v1/links/redeem",
    "POST /v1/accounts",
    "POST /v1/sessions",
    "POST /v1/oauth/token",
    "POST /v1/oauth/revoke",
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/jwks.json",
    "GET /health/live",
    "GET /health/ready",
}


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    """(`METHOD /path/{template}`, operation) of an OpenAPI document."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in ("get", "put", "post", "delete", "patch"):
                yield f"{method.upper()} {path}", operation


def names_something(operation: Json, document: Json, name: str) -> bool:
    """Whether a request names a thing by its id, in the path or anywhere in a JSON body."""
    bodies = operation.get("requestBody", {}).get("content", {}).values()
    return "{" in name or any(_holds_ids(body["schema"], document, 0) for body in bodies)


async def call(
    http: httpx2.AsyncClient, name: str, ids: Ids, rule: Rule | None = None
) -> httpx2.Response:
    method, _, template = name.partition(" ")
    options = rule.options(ids) if rule else {}
    return await http.request(method, template.format_map(ids), **options)


def told(answer: httpx2.Response) -> tuple[int, list[tuple[str, str]], Json]:
    """All that an answer tells, but for what says which request it was."""
    headers = [each for each in answer.headers.items() if each[0] not in ("date", "x-request-id")]
    named = ("instance", "request_id", "took_ms")
    if not answer.headers.get("content-type", "").endswith("json"):
        # New things have ids of their own, and nothing else may tell one stream from another.
        return answer.status_code, headers, {"stream": _ID.sub("id", answer.text)}
    said = json_of(answer)
    if isinstance(said.get("error"), dict):  # as the routes of OpenAI tell it
        said = said["error"]
    body = {name: value for name, value in said.items() if name not in named}
    # The number itself is told by `took_ms`, whose digits vary.
    headers = [each for each in headers if each[0] != "content-length" or answer.is_error]
    return answer.status_code, headers, body


def _holds_ids(schema: Any, document: Json, depth: int) -> bool:
    if depth > 12:
        return False
    if isinstance(schema, list):
        return any(_holds_ids(each, document, depth + 1) for each in schema)
    if not isinstance(schema, dict):
        return False
    if schema.get("format") == "uuid":
        return True
    if "$ref" in schema:
        target = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return _holds_ids(target, document, depth + 1)
    return any(_holds_ids(each, document, depth + 1) for each in schema.values())
