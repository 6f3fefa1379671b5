"""The description of the real routes: every JSON body has an example, and the example is right."""

from __future__ import annotations

from pathlib import Path

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from adapters.postgres.engine import Database
from entrypoints.container import Container
from entrypoints.http.app import http_application
from entrypoints.http.drain import Drain
from entrypoints.http.fields import read_value
from entrypoints.http.health import Health
from entrypoints.http.metrics import Metrics
from entrypoints.http.openapi_document import openapi_document
from entrypoints.http.pages import Cursors
from entrypoints.http.response_headers import OPERATIONS
from entrypoints.settings import Settings


@pytest.fixture
def app(tmp_path: Path) -> Litestar:
    container = Container(
        settings=Settings(data_dir=tmp_path), database=Database.at("postgresql://nowhere/nothing")
    )
    return http_application(
        container,
        version="1",
        drain=Drain(),
        cursors=Cursors(secret=b"c" * 32),
        health=Health(needed={}, useful={}),
        measured=Metrics(),
    )


def handlers(app: Litestar) -> list[HTTPRouteHandler]:
    return [
        handler
        for route in app.routes
        for handler, _ in getattr(route, "route_handler_map", {}).values()
        if isinstance(handler, HTTPRouteHandler)
    ]


def test_every_json_body_has_an_example_that_would_be_accepted(app: Litestar) -> None:
    examples = 0
    for handler in handlers(app):
        body = handler.parsed_fn_signature.parameters.get("data")
        if body is not None:
            read_value(handler.opt["example"], body.annotation)
            examples += 1
    assert examples >= 6


def test_headers_are_declared_by_routes_that_there_are(app: Litestar) -> None:
    document = openapi_document(app)
    there = {
        f"{method.upper()} {path}"
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert there >= OPERATIONS
    text = document["paths"]["/v1/documents/{document_id}/text"]["get"]["responses"]["200"]
    assert text["headers"]["X-Text-Key"] == {"$ref": "#/components/headers/X-Text-Key"}
    assert "32 bytes" in document["components"]["headers"]["X-Text-Key"]["description"]
    content = document["paths"]["/v1/documents/{document_id}/content"]["get"]["responses"]["200"]
    assert "X-Text-Key" not in content["headers"]


def test_every_operation_says_what_it_does_in_a_sentence(app: Litestar) -> None:
    paths = openapi_document(app)["paths"]
    for path, operations in paths.items():
        for method, operation in operations.items():
            assert " " in operation["summary"], (method, path)
            assert len(operation["summary"]) <= 120, operation["summary"]
