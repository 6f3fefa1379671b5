"""Things made on the way: for Asha, who puts an end to them, and ids that nobody has."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from uuid import uuid4

import httpx2

from adapters.tokens.opaque_tokens import CLIENT, LINK, REFRESH, PrefixedTokens
from tests.integration.running.authorization.asking import NOT_INDEXED, WORD
from tests.integration.running.authorization.cast import SHARED, Cast
from tests.integration.running.people import Person, grant_body, json_of
from tests.integration.running.test_collections import collection, put
from tests.integration.running.test_links import link

_DOMAIN = "@example.org"


def nobodys(kind: str, like: str) -> str:
    """What nobody has, of the same form and length as something that is there."""
    random = (uuid4().hex * (len(like) // 32 + 1))[: len(like)]
    match kind:
        case "schema_name" | "code" | "tenant":
            return f"h{random[1:]}"
        case "email":
            return f"{random[: len(like) - len(_DOMAIN)]}{_DOMAIN}"
        case "cursor" | "Idempotency-Key":
            return random
        case "access_token":
            return f"{like[: like.rindex('.') + 1]}{random}"[: len(like)]
        case "refresh_token" | "link_token" | "client_secret":
            prefixes = {"refresh_token": REFRESH, "link_token": LINK, "client_secret": CLIENT}
            tokens = PrefixedTokens(prefix=prefixes[kind])
            read = tokens.read(like)
            assert read is not None
            return tokens.new(read.tenant_id).text
        case _:
            return f"{uuid4()}"


async def anew(cast: Cast, operation: str) -> Mapping[str, str]:
    """Things of Asha's for an operation that ends or changes them; none for the others."""
    make = _MADE_FOR.get(operation)
    return {} if make is None else await make(cast)


async def record(person: Person, schema_name: str, **terms: str) -> str:
    body = {"schema": schema_name, "data": {"name": f"{SHARED} {WORD}"}, **terms}
    made = await person.http.post("/v1/records", json=body)
    assert made.status_code == 201, made.text
    return str(json_of(made)["id"])


async def conversation(person: Person, title: str) -> str:
    begun = await person.http.post("/v1/conversations", json={"title": title})
    assert begun.status_code == 201, begun.text
    return str(json_of(begun)["id"])


async def follow(http: httpx2.AsyncClient, run_id: str) -> None:
    """Until a run is over: one conversation has one at a time."""
    answer = await http.get(f"/v1/runs/{run_id}/events")
    assert answer.is_success, answer.text


async def asked(person: Person, conversation_id: str, about: str = WORD) -> dict[str, str]:
    """A question in a conversation, and its answer, once that is there."""
    path = f"/v1/conversations/{conversation_id}/messages"
    asked = await person.http.post(path, json={"content": f"Where did {about} stand?"})
    assert asked.status_code == 202, asked.text
    run = json_of(asked)["run"]
    await follow(person.http, run["id"])
    return {
        "run_id": run["id"],
        "message_id": run["answer_id"],
        "question_id": run["question_id"],
        "conversation_id": conversation_id,
    }


async def _new_document(cast: Cast) -> dict[str, str]:
    made = await cast.asha.upload(f"A {WORD} for a moment.", **NOT_INDEXED)
    return {"document_id": made["id"]}


async def _new_collection(cast: Cast) -> dict[str, str]:
    made = {"collection_id": await collection(cast.asha), **await _new_document(cast)}
    await put(cast.asha, made["collection_id"], made["document_id"])
    return made


async def _new_record(cast: Cast) -> dict[str, str]:
    schema_name = cast.own["owner"]["schema_name"]
    return {"record_id": await record(cast.asha, schema_name, **NOT_INDEXED)}


async def _new_grant(cast: Cast) -> dict[str, str]:
    document_id = (await _new_document(cast))["document_id"]
    made = await cast.asha.grant(document_id, cast.people["stranger"])
    return {"grant_id": made["id"], "consent_id": made["consent_id"]}


async def _new_request(cast: Cast) -> dict[str, str]:
    document_id = (await _new_document(cast))["document_id"]
    body = grant_body(document_id, "") | {"principal": cast.asha.email}
    del body["grantee"]
    asked = await cast.people["stranger"].http.post("/v1/consents", json=body)
    assert asked.status_code == 201, asked.text
    return {"consent_id": json_of(asked)["record_id"]}


async def _new_link(cast: Cast) -> dict[str, str]:
    return {"link_id": (await link(cast.asha, (await _new_document(cast))["document_id"]))["id"]}


async def _new_conversation(cast: Cast) -> dict[str, str]:
    return {"conversation_id": await conversation(cast.asha, WORD)}


_MADE_FOR: dict[str, Callable[[Cast], Awaitable[dict[str, str]]]] = {
    "DELETE /v1/documents/{document_id}": _new_document,
    "PUT /v1/documents/{document_id}/content": _new_document,
    "DELETE /v1/collections/{collection_id}": _new_collection,
    "DELETE /v1/collections/{collection_id}/items/{document_id}": _new_collection,
    "DELETE /v1/records/{record_id}": _new_record,
    "PATCH /v1/records/{record_id}": _new_record,
    "POST /v1/grants/{grant_id}/revoke": _new_grant,
    "POST /v1/consents/{consent_id}/withdraw": _new_grant,
    "POST /v1/consents/{consent_id}/renew": _new_grant,
    "POST /v1/consents/{consent_id}/approve": _new_request,
    "POST /v1/consents/{consent_id}/refuse": _new_request,
    "POST /v1/links/{link_id}/revoke": _new_link,
    "DELETE /v1/conversations/{conversation_id}": _new_conversation,
}
