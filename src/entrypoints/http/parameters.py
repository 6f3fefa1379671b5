"""Query, path and header parameters: unknown ones are refused, wrong ones are named."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from litestar.connection import ASGIConnection
from litestar.enums import ParamType
from litestar.exceptions import ValidationException
from litestar.handlers import BaseRouteHandler
from litestar.params import ParameterKwarg
from litestar.typing import FieldDefinition

from domain.errors import NotFound
from entrypoints.http.refusals import InvalidFields, WrongField


def known_parameters_only(
    connection: ASGIConnection[Any, Any, Any, Any],
    route_handler: BaseRouteHandler,
) -> None:
    """A guard: refuses unknown and repeated query parameters, and NUL anywhere in the URL.

    Raises InvalidFields naming each of them (`/query/limti`). A NUL in the path names nothing
    that could exist (no stored text can hold one): NotFound.
    """
    if any("\x00" in value for value in connection.path_params.values() if isinstance(value, str)):
        raise NotFound
    query = connection.query_params
    if not query:
        return
    known = _query_parameters(route_handler)
    wrong = []
    for name in dict.fromkeys(query):
        values = query.getall(name)
        if known is not None and name not in known:
            wrong.append(WrongField(_pointer("query", name), "There is no such parameter here."))
        elif known is not None and len(values) > 1 and not known[name]:
            wrong.append(WrongField(_pointer("query", name), "This was given more than once."))
        elif any("\x00" in str(value) for value in values):
            wrong.append(WrongField(_pointer("query", name), "NUL is not accepted in text."))
    if wrong:
        raise InvalidFields(wrong[:_ERRORS_MAX])


def wrong_parameters(
    exception: ValidationException, route_handler: BaseRouteHandler | None
) -> list[WrongField]:
    """The parameters that the framework found missing or wrong, with pointers of ours.

    Raises NotFound for one in the path: what it would name cannot exist.
    """
    if missing := _MISSING.match(exception.detail):
        place, name = missing["place"], missing["name"]
        return [WrongField(_pointer(place, name), "This is required and missing.")]
    wrong = []
    extra = exception.extra if isinstance(exception.extra, list) else []
    for error in extra[:_ERRORS_MAX]:
        place = getattr(error.get("source"), "value", error.get("source")) or "query"
        name = str(error.get("key", ""))
        if place == "path":
            raise NotFound
        if route_handler is not None and place != "body":
            field = route_handler.parsed_fn_signature.parameters.get(name)
            name = getattr(field and field.kwarg_definition, "name", None) or name
        detail = _one_line(str(error.get("message", "This is not valid.")))
        wrong.append(WrongField(_pointer("" if place == "body" else str(place), name), detail))
    return wrong


_ERRORS_MAX = 100
_MISSING = re.compile(r"Missing required (?P<place>\w+) parameter '(?P<name>[^']+)'")


@lru_cache(4096)
def _query_parameters(handler: BaseRouteHandler) -> dict[str, bool] | None:
    """The query parameters a handler declares, and whether each may repeat; None: it takes all."""
    known: dict[str, bool] = {}
    fields = dict(handler.parsed_fn_signature.parameters)
    if "query" in fields:
        return None
    providers = handler.resolve_dependencies()
    waiting, seen = list(fields.items()), set()
    while waiting:
        name, field = waiting.pop()
        if name in providers and name not in seen:
            seen.add(name)
            waiting.extend(providers[name].parsed_fn_signature.parameters.items())
        elif (definition := _query_parameter(field)) is not None:
            known[definition.name or name] = field.is_non_string_sequence
    return known


def _query_parameter(field: FieldDefinition) -> ParameterKwarg | None:
    definition = field.kwarg_definition
    if isinstance(definition, ParameterKwarg) and definition.param_type == ParamType.QUERY:
        return definition
    return None


def _pointer(place: str, name: str) -> str:
    escaped = name[:128].replace("~", "~0").replace("/", "~1")
    return f"/{place}/{escaped}" if place else f"/{escaped}"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]
