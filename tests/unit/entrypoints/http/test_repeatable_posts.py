"""A POST that creates or acts takes an Idempotency-Key, or is named with what it has instead."""

from __future__ import annotations

from litestar import Litestar

from entrypoints.http.openapi_document import openapi_document
from tests.unit.entrypoints.http import test_described_routes

app = test_described_routes.app

WITHOUT = {
    "/v1/accounts": "an address has one account: repeated, it is refused",
    "/v1/audit/cosignatures": "a witness's line is kept once",
    "/v1/checkpoints/cosignatures": "a witness's line is kept once",
    "/v1/embeddings": "it stores nothing; OpenAI's clients send no key",
    "/v1/grants/notice": "it changes nothing",
    "/v1/me/totp": "until it is confirmed each secret takes the place of the one before",
    "/v1/me/totp/confirm": "a code is good once",
    "/v1/oauth/introspect": "it changes nothing",
    "/v1/oauth/revoke": "a revoked token stays so, and the answer is the same (RFC 7009)",
    "/v1/oauth/token": "OAuth has none; a refresh token is good once, and what is had expires",
    "/v1/runs/{run_id}/cancel": "a cancelled run stays so, and the answer is the same",
    "/v1/search": "each look is an access of its own, and nothing else is stored",
    "/v1/service-clients/{client_id}/revoke": "a revoked client stays so; the answer is the same",
    "/v1/sessions": "a session more, which expires; its tokens are never kept to be shown again",
    "/v1/sessions/step-up": "a code is good once",
}


def test_a_post_takes_a_key_or_says_why_not(app: Litestar) -> None:
    posts = {
        path: any(each["name"] == "Idempotency-Key" for each in found.get("parameters", ()))
        for path, operations in openapi_document(app)["paths"].items()
        if (found := operations.get("post")) is not None
    }
    assert len(posts) > 25
    assert {path for path, takes in posts.items() if not takes} == set(WITHOUT)


def test_what_takes_a_key_says_how_a_repeat_can_be_refused(app: Litestar) -> None:
    for operations in openapi_document(app)["paths"].values():
        for operation in operations.values():
            if any(each["name"] == "Idempotency-Key" for each in operation.get("parameters", ())):
                assert {"409", "422"} <= operation["responses"].keys()
