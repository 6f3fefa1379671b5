"""What is sent to try an operation: a plain request, and others that must tell no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.integration.running.authorization.matrix import Row
from tests.integration.running.people import PURPOSE, Json

Ids = Mapping[str, str]
Options = dict[str, Any]
"""Arguments of the client's `request`."""

NOT_INDEXED = {"index_mode": "none"}
"""Where nobody searches for it: indexing would take more time than all else."""

WORD = "heron"
"""What questions ask for. It is in everything that somebody has."""

MODEL = "extractive-1"
_ASKED = f"Where did the {WORD} stand?"

# So that a request that is repeated is the same.
_EXPIRES = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
_LATER = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
CLIENT = {"name": "Nightly import", "expires_at": _LATER}
_PATCH = {"Content-Type": "application/merge-patch+json"}
_WRONG_CODE = {"json": {"totp": "000000"}}


def kinds_at(row: Row) -> tuple[str, ...]:
    """The kinds of things that can be named at a place."""
    match row.place:
        case "/token":
            return (_TOKENS[row.operation],)
        case "/resource/id":
            return "document_id", "record_id", "collection_id"
        case "/strongroom/conversation_id":
            return ("conversation_id",)
        case "/filters/document_ids/0" | "/document_ids/0" | "/strongroom/document_ids/0":
            return "document_id", "record_id"
        case "/grantee" | "/principal":
            return "person_id", "email"
        case "/parent_id":
            return ("message_id" if row.operation.endswith("/messages") else "grant_id",)
        case "?branch" | "/message_id":
            return ("message_id",)
        case "/replaces":
            return ("question_id",)
        case "/schema":
            return ("schema_name",)
        case "/email":
            return ("email",)
        case _:
            return (row.place.strip("{}/?"),)


_TOKENS = {
    "POST /v1/oauth/introspect": "access_token",
    "POST /v1/oauth/revoke": "refresh_token",
    "POST /v1/links/redeem": "link_token",
}


def requests(row: Row, kind: str, ids: Ids) -> list[Options]:
    """The first is the one that the table speaks of."""
    make = _MADE_BY.get(row.operation, lambda *_: [{}])
    asked = [dict(each) for each in make(ids, row.place, kind)]
    for each in asked:
        if row.place.startswith("?"):
            each["params"] = {**each.get("params", {}), row.place[1:]: ids[kind]}
        if row.place == "Idempotency-Key":
            each["headers"] = {**each.get("headers", {}), row.place: ids[kind]}
    return asked


def _for_a_purpose(ids: Ids, place: str, kind: str) -> list[Options]:
    return [{"params": {"purpose": PURPOSE}}, {}]


def _content(ids: Ids, place: str, kind: str) -> list[Options]:
    read = {"params": {"purpose": PURPOSE}}
    past_its_end = {**read, "headers": {"Range": "bytes=999999-"}}
    taken = {"params": {"purpose": PURPOSE, "action": "export"}}
    return [read, past_its_end, taken, {"params": {"purpose": PURPOSE, "version": 7}}]


def _record(ids: Ids, place: str, kind: str) -> list[Options]:
    some_fields = {"params": {"purpose": PURPOSE, "fields": "/name,/born"}}
    taken = {"params": {"purpose": PURPOSE, "action": "export"}}
    return [*_for_a_purpose(ids, place, kind), some_fields, taken]


def _if_matching(options: Options) -> Callable[[Ids, str, str], list[Options]]:
    def make(ids: Ids, place: str, kind: str) -> list[Options]:
        own = options.get("headers", {})
        marks = ("*", '"7"')
        matching = [{**options, "headers": {**own, "If-Match": each}} for each in marks]
        return [*matching, options]

    return make


def _from(number: int) -> Callable[[Ids, str, str], list[Options]]:
    def make(ids: Ids, place: str, kind: str) -> list[Options]:
        return [{}, {"headers": {"Last-Event-ID": f"{number}"}}, {"params": {"after": number}}]

    return make


def _list(ids: Ids, place: str, kind: str) -> list[Options]:
    return [{"params": {"limit": 1 if place == "?cursor" else 200}}]


def _grants(ids: Ids, place: str, kind: str) -> list[Options]:
    received = {"params": {"direction": "received"}}
    return [*_list(ids, place, kind), *([] if place == "?cursor" else [received])]


def _upload(ids: Ids, place: str, kind: str) -> list[Options]:
    file = ("a.txt", f"A {WORD} of one's own.")
    return [{"files": {"file": file}, "data": NOT_INDEXED}]


def _new_record(ids: Ids, place: str, kind: str) -> list[Options]:
    return [{"json": {"schema": ids["schema_name"], "data": {"name": WORD}, **NOT_INDEXED}}]


def _terms(ids: Ids, kind: str) -> Json:
    resource = kind if kind in ("record_id", "collection_id") else "document_id"
    return {
        "resource": {"kind": resource.removesuffix("_id"), "id": ids[resource]},
        "actions": ["read"],
        "purpose": PURPOSE,
        "expires_at": _EXPIRES,
    }


def _onward(body: Json, ids: Ids, place: str) -> Json:
    """With the grant that it is shared onward from, and what was granted."""
    if place != "/parent_id":
        return body
    resource = {"kind": "document", "id": ids["shared_id"]}
    return body | {"parent_id": ids["grant_id"], "resource": resource}


def _grant(ids: Ids, place: str, kind: str) -> list[Options]:
    body = _terms(ids, kind) | {"grantee": ids["email" if kind == "email" else "person_id"]}
    return [{"json": _onward(body, ids, place)}]


def _link(ids: Ids, place: str, kind: str) -> list[Options]:
    return [{"json": _onward(_terms(ids, kind), ids, place)}]


def _consent(ids: Ids, place: str, kind: str) -> list[Options]:
    """Given to somebody, or asked of somebody, who is told whatever is asked for."""
    someone = ids["email" if kind == "email" else "person_id"]
    given, asked = (
        {"json": _terms(ids, kind) | {who: someone}} for who in ("grantee", "principal")
    )
    if place == "/principal":
        return [asked]
    return [given, asked] if place == "/resource/id" else [given]


def _question(ids: Ids, place: str, kind: str) -> list[Options]:
    body: Json = {"content": _ASKED, "purpose": PURPOSE}
    if place == "/document_ids/0":
        body["document_ids"] = [ids[kind]]
    if place in ("/parent_id", "/replaces"):
        body[place[1:]] = ids[kind]
    streamed = {"json": body, "headers": {"Accept": "text/event-stream"}}
    return [{"json": body}, *([] if kind == "Idempotency-Key" else [streamed])]


def _answer(ids: Ids, place: str, kind: str) -> list[Options]:
    body: Json = {"purpose": PURPOSE}
    if place == "/document_ids/0":
        body["document_ids"] = [ids[kind]]
    return [{"json": body}]


def _completion(ids: Ids, place: str, kind: str) -> list[Options]:
    body: Json = {"model": MODEL, "messages": [{"role": "user", "content": _ASKED}]}
    terms: Json = {"purpose": PURPOSE}
    if place == "/strongroom/conversation_id":
        terms["conversation_id"] = ids[kind]
    if place == "/strongroom/document_ids/0":
        terms["document_ids"] = [ids[kind]]
    whole = {"json": body | {"strongroom": terms}}
    streamed = {"json": body | {"strongroom": terms, "stream": True}}
    return [whole, *([] if kind == "Idempotency-Key" else [streamed])]


def _chat(ids: Ids, place: str, kind: str) -> list[Options]:
    parts = [{"type": "text", "text": _ASKED}]
    # The same for the same request, and a chat of its own for each.
    name = ids[kind] if place != "-" else "birds"
    body: Json = {"id": f"{kind}-{name}"[:80], "message": {"role": "user", "parts": parts}}
    if place == "/document_ids/0":
        body["document_ids"] = [ids[kind]]
    return [{"json": body | {"purpose": PURPOSE}}]


def _search(ids: Ids, place: str, kind: str) -> list[Options]:
    # By keywords alone: on a busy machine a query may have to do without its embedding.
    body: Json = {"query": WORD, "purpose": PURPOSE, "mode": "keyword", "limit": 50}
    if place != "-":
        body["filters"] = {"document_ids": [ids[kind]]}
    return [{"json": body}]


def _export(ids: Ids, place: str, kind: str) -> list[Options]:
    return [{"params": {"format": each}} for each in ("dpv", "kantara")]


def _credentials(ids: Ids, place: str, kind: str) -> list[Options]:
    body = {"email": ids["email"], "password": "not the right one", "tenant": ids["tenant"]}
    return [{"json": body}, {"json": body | {"totp": "000000"}}]


def _account(ids: Ids, place: str, kind: str) -> list[Options]:
    email = ids["email"] if place == "/email" else f"{uuid4().hex}@example.org"
    tenant = ids["tenant"] if place == "/tenant" else "default"
    body = {"email": email, "password": "a quiet lake under seven hills", "display_name": "Hal"}
    return [{"json": body | {"tenant": tenant}}]


def _token(ids: Ids, place: str, kind: str) -> list[Options]:
    if place == "/client_secret":
        form = {"client_id": ids["secretive_id"], "client_secret": ids["client_secret"]}
        return [{"data": {"grant_type": "client_credentials", **form}}]
    return [{"data": {"grant_type": "refresh_token", "refresh_token": ids["refresh_token"]}}]


def _always(*options: Options) -> Callable[[Ids, str, str], list[Options]]:
    return lambda ids, place, kind: list(options)


_DOCUMENT = "/v1/documents/{document_id}"
_CONVERSATION = "/v1/conversations/{conversation_id}"

_MADE_BY: dict[str, Callable[[Ids, str, str], list[Options]]] = {
    **dict.fromkeys(
        (
            "GET /v1/documents",
            "GET /v1/collections",
            "GET /v1/records",
            "GET /v1/schemas",
            "GET /v1/consents",
            "GET /v1/links",
            "GET /v1/conversations",
            "GET /v1/audit/events",
            "GET /v1/collections/{collection_id}/items",
            f"GET {_DOCUMENT}/denials",
        ),
        _list,
    ),
    "GET /v1/grants": _grants,
    "POST /v1/accounts": _account,
    "POST /v1/sessions": _credentials,
    "POST /v1/sessions/step-up": _always(_WRONG_CODE),
    "DELETE /v1/me": _always({"json": {"password": "not the right one"}}),
    "DELETE /v1/me/totp": _always(_WRONG_CODE),
    "POST /v1/me/totp/confirm": _always({"json": {"code": "000000"}}),
    "POST /v1/oauth/token": _token,
    "POST /v1/service-clients": _always({"json": CLIENT}),
    "POST /v1/service-clients/{client_id}/secret": _always({"json": {}}),
    "POST /v1/oauth/revoke": lambda ids, place, kind: [{"data": {"token": ids[kind]}}],
    "POST /v1/oauth/introspect": lambda ids, place, kind: [{"data": {"token": ids[kind]}}],
    "POST /v1/documents": _upload,
    f"GET {_DOCUMENT}": _for_a_purpose,
    f"GET {_DOCUMENT}/content": _content,
    f"GET {_DOCUMENT}/text": _content,
    f"GET {_DOCUMENT}/events": _from(1),
    f"PUT {_DOCUMENT}/content": _if_matching({"content": b"Something else altogether."}),
    **dict.fromkeys(  # what it is already: to have it indexed anew would hide it from others
        (f"PUT {_DOCUMENT}/index-mode", "PUT /v1/records/{record_id}/index-mode"),
        _always({"json": {"index_mode": "clear"}}),
    ),
    f"PATCH {_DOCUMENT}": _always({"json": {"weight": 2.0}}),
    # Of a time before there was anything: there is one page of it, and no cursor of anybody's.
    "GET /v1/features": _always({"params": {"as_of": "2020-01-01T00:00:00Z"}}),
    "POST /v1/collections": _always({"json": {"title": f"Each {WORD}"}}),
    "PATCH /v1/collections/{collection_id}": _always({"json": {"title": f"No {WORD}"}}),
    "POST /v1/records": _new_record,
    "GET /v1/records/{record_id}": _record,
    "PATCH /v1/records/{record_id}": _if_matching({"json": {"name": "Nobody"}, "headers": _PATCH}),
    "PUT /v1/schemas/{schema_name}": _if_matching({"json": {"type": "object"}}),
    "POST /v1/grants": _grant,
    "POST /v1/grants/notice": _grant,
    "POST /v1/consents": _consent,
    "GET /v1/consents/{consent_id}/export": _export,
    "POST /v1/consents/{consent_id}/approve": _always({}, _WRONG_CODE),
    "POST /v1/consents/{consent_id}/renew": _always(
        {"json": {"expires_at": _LATER}}, {"json": {"expires_at": _LATER, "totp": "000000"}}
    ),
    "PUT /v1/purposes/{code}": _always(
        {"json": {"title": "Insurance claims", "dpv_term": "dpv:ServiceProvision"}}
    ),
    "PUT /v1/model-chains/{task}": _always({"json": {"models": []}}),
    "PUT /v1/withdrawal-policy": _always({"json": {"answers": "hide"}}),
    "POST /v1/links": _link,
    "POST /v1/links/redeem": lambda ids, place, kind: [
        {"json": {"token": ids["link_token"]}},
        {"json": {"token": ids["link_token"], "passcode": "not the right one"}},
    ],
    "POST /v1/search": _search,
    "POST /v1/conversations": _always({"json": {"title": f"Each {WORD}"}}),
    f"POST {_CONVERSATION}/messages": _question,
    f"POST {_CONVERSATION}/messages/{{message_id}}/answers": _answer,
    f"PUT {_CONVERSATION}/branch": lambda ids, place, kind: [
        {"json": {"message_id": ids["message_id"]}}
    ],
    "GET /v1/runs/{run_id}/events": _from(1),
    "POST /v1/chat/completions": _completion,
    "POST /api/chat": _chat,
    "POST /v1/embeddings": _always({"json": {"model": "all-MiniLM-L6-v2-int8-1", "input": WORD}}),
    "POST /v1/audit/cosignatures": _always({"json": {"checkpoint": "of nobody"}}),
    "POST /v1/checkpoints/cosignatures": _always({"json": {"checkpoint": "of nobody"}}),
    "GET /v1/audit/consistency": _always({"params": {"from": 1}}),
    "GET /v1/checkpoints/consistency": _always({"params": {"from": 1}}),
}
