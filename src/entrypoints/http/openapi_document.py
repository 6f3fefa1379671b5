"""The OpenAPI 3.1 document: Litestar's, completed by what holds for every route.

Litestar describes parameters, bodies and results. Added here: an example of each JSON body (a
handler's `opt={"example": {...}}`), the shape of every error, who needs a token, uploads (whose
bodies handlers read themselves), the headers of responses, and that unknown fields are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import Litestar, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Schema
from litestar.plugins import OpenAPISchemaPlugin
from litestar.routes import HTTPRoute
from litestar.typing import FieldDefinition

from entrypoints.http.access import is_public
from entrypoints.http.idempotency import IDEMPOTENCY_KEY
from entrypoints.http.problems import MEDIA_TYPE, Problem
from entrypoints.http.response_headers import (
    header_components,
    headers_of_operation,
    headers_of_problem,
)


@dataclass(frozen=True, slots=True)
class Upload:
    """What a route's form holds, for the document: `opt={"upload": Upload(UploadFields)}`.

    Without fields there is no form: the body is the file.
    """

    fields: type[msgspec.Struct] | None = None
    file: str = "file"


class StrictStructs(OpenAPISchemaPlugin):
    """Says of a Struct that forbids unknown fields that it does."""

    def is_plugin_supported_field(self, field_definition: FieldDefinition) -> bool:
        return bool(_litestars().is_plugin_supported_field(field_definition))

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        schema: Schema = _litestars().to_openapi_schema(field_definition, schema_creator)
        kind = field_definition.origin or field_definition.annotation
        if kind.__struct_config__.forbid_unknown_fields:
            schema.additional_properties = False
        return schema


def openapi_config(*, title: str, version: str, description: str) -> OpenAPIConfig:
    return OpenAPIConfig(
        title=title,
        version=version,
        description=description,
        use_handler_docstrings=True,
        render_plugins=[JsonRenderPlugin()],
        openapi_router=_NoPages("/", route_handlers=[]),
    )


def openapi_document(app: Litestar) -> dict[str, Any]:
    """The document of this application, as plain objects."""
    document = app.openapi_schema.to_schema()
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    (_, problem_schemas) = msgspec.json.schema_components([Problem], ref_template=_REF)
    schemas.update(problem_schemas)
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    components["headers"] = header_components()
    components["responses"] = {
        name: _problem_response(name, text) for name, text in _PROBLEMS.items()
    }
    document["security"] = [{"bearer": []}]
    for route in app.routes:
        item = document.get("paths", {}).get(getattr(route, "path_format", None) or "/")
        if isinstance(route, HTTPRoute) and item is not None:
            for method, (handler, _) in route.route_handler_map.items():
                if operation := item.get(method.lower()):
                    _complete(operation, handler, components, has_path="{" in route.path_format)
                    _declare_headers(operation, f"{method} {route.path_format}")
    return _with_plain_names(document)


_REF = "#/components/schemas/{name}"

_PROBLEMS = {
    "Invalid": "The request is malformed or invalid; `errors` names each field.",
    "NotAuthenticated": "There is no valid token.",
    "NotFound": "It does not exist, or you may not see it.",
    "TooLarge": "The body is larger than this route accepts.",
    "UnsupportedType": "The body has another content type than this route reads.",
    "KeyInUse": "The present state does not admit this. Where the code is "
    "`idempotency_key_in_use`, the first request with this Idempotency-Key is under way, and "
    "`Retry-After` says when to try again.",
    "KeyReused": "This Idempotency-Key came with another request before.",
    "TooMany": "Too many requests; `Retry-After` says when to try again.",
    "Unavailable": "A part that is needed does not answer. Nothing was changed, unless the code is "
    "`outcome_unknown`.",
    "Problem": "Any other refusal, by its `code`.",
}


class _NoPages(Router):
    """Takes no routes: Litestar would add its own pages, and a catch-all that answers in HTML."""

    def register(self, value: Any) -> list[Any]:
        return []


def _litestars() -> Any:
    # Imported late, and here alone: it is the one piece of Litestar used that is not public.
    from litestar._openapi.schema_generation.plugins.struct import StructSchemaPlugin

    return StructSchemaPlugin()


def _complete(
    operation: dict[str, Any],
    handler: HTTPRouteHandler,
    components: dict[str, Any],
    *,
    has_path: bool,
) -> None:
    if is_public(handler):
        operation["security"] = []
    if description := operation.get("description"):
        operation["summary"] = _first_sentence(description)
    if "example" in handler.opt:
        (body,) = operation["requestBody"]["content"].values()
        body["example"] = handler.opt["example"]
    if isinstance(upload := handler.opt.get("upload"), Upload):
        operation["requestBody"] = _upload_body(upload, components["schemas"])
    responses = operation.setdefault("responses", {})
    told = _error_names(handler, components)
    if 400 not in (handler.responses or {}):  # OAuth has an error shape for this one alone
        responses["400"] = _ref(told("Invalid"))
    if not is_public(handler):
        responses.setdefault("401", _ref(told("NotAuthenticated")))
    if has_path:
        responses.setdefault("404", _ref(told("NotFound")))
    if "requestBody" in operation:
        responses.setdefault("413", _ref(told("TooLarge")))
        responses.setdefault("415", _ref(told("UnsupportedType")))
    if any(each["name"] == IDEMPOTENCY_KEY for each in operation.get("parameters", ())):
        responses.setdefault("409", _ref(told("KeyInUse")))
        responses.setdefault("422", _ref(told("KeyReused")))
    responses.setdefault("429", _ref(told("TooMany")))
    responses.setdefault("503", _ref(told("Unavailable")))
    responses.setdefault("default", _ref(told("Problem")))


def _declare_headers(operation: dict[str, Any], name: str) -> None:
    for response in operation["responses"].values():
        if "$ref" not in response:
            response["headers"] = headers_of_operation(name)


def _error_names(handler: HTTPRouteHandler, components: dict[str, Any]) -> Callable[[str], str]:
    """How a route's errors are called in the document: as problems, unless its
    `opt={"error_shape": SomeStruct}` says that each of them has this shape instead."""
    shape = handler.opt.get("error_shape")
    if shape is None:
        return lambda name: name
    _, schemas = msgspec.json.schema_components([shape], ref_template=_REF)
    components["schemas"].update(schemas)
    content = {"application/json": {"schema": {"$ref": _REF.format(name=shape.__name__)}}}
    for name, text in _PROBLEMS.items():
        components["responses"][f"{shape.__name__}{name}"] = {
            "description": text,
            "headers": headers_of_problem(name, to_openai=True),
            "content": content,
        }
    return lambda name: f"{shape.__name__}{name}"


def _first_sentence(text: str) -> str:
    return text.split("\n\n")[0].split(". ")[0].rstrip(".")


def _upload_body(upload: Upload, schemas: dict[str, Any]) -> dict[str, Any]:
    binary = {"type": "string", "contentMediaType": "application/octet-stream"}
    if upload.fields is None:
        return {"required": True, "content": {"application/octet-stream": {"schema": binary}}}
    _, components = msgspec.json.schema_components([upload.fields], ref_template=_REF)
    form = components.pop(upload.fields.__name__)
    schemas.update(components)
    form["properties"] = {upload.file: binary, **form.get("properties", {})}
    form["required"] = [upload.file, *form.get("required", [])]
    return {"required": True, "content": {"multipart/form-data": {"schema": form}}}


def _problem_response(name: str, description: str) -> dict[str, Any]:
    schema = {"$ref": _REF.format(name="Problem")}
    return {
        "description": description,
        "headers": headers_of_problem(name),
        "content": {MEDIA_TYPE: {"schema": schema}},
    }


def _ref(response: str) -> dict[str, str]:
    return {"$ref": f"#/components/responses/{response}"}


def _with_plain_names(document: dict[str, Any]) -> dict[str, Any]:
    """`Page[Document]`, which Litestar files under its module's name, becomes `DocumentPage`."""
    schemas = document["components"]["schemas"]
    text = msgspec.json.encode(document).decode()
    for key, schema in schemas.items():
        title = re.fullmatch(r"(\w+)\[(\w+)\]", str(schema.get("title", "")))
        if title and (name := f"{title[2]}{title[1]}") not in schemas:
            text = text.replace(f'"{key}":', f'"{name}":').replace(f'/{key}"', f'/{name}"')
            text = text.replace(f'"title":"{title[0]}"', f'"title":"{name}"')
    renamed: dict[str, Any] = msgspec.json.decode(text)
    return renamed
