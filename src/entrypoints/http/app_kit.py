"""The application that every route lives in: one call, with everything that holds everywhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ASGIApp, ControllerRouterHandler, Middleware

from entrypoints.http.access import authenticated_unless_public, provide_caller
from entrypoints.http.api_page import api_pages
from entrypoints.http.body import BODY_BYTES_MAX, StrictRequest
from entrypoints.http.drain import Drain
from entrypoints.http.edge import Answered, Edge
from entrypoints.http.openapi_document import StrictStructs, openapi_config
from entrypoints.http.parameters import known_parameters_only
from entrypoints.http.problems import Translations, exception_handlers
from entrypoints.http.streams import StreamLimits


def application(
    *,
    route_handlers: Sequence[ControllerRouterHandler],
    version: str,
    drain: Drain,
    lifespan: Sequence[Callable[[Litestar], AbstractAsyncContextManager[None]]] = (),
    dependencies: Mapping[str, Provide] | None = None,
    middleware: Sequence[Middleware] = (),
    translations: Translations | None = None,
    observe: Callable[[Answered], None] | None = None,
    api_page_assets: Path | None = None,
    around: Callable[[ASGIApp], ASGIApp] | None = None,
    stream_limits: StreamLimits | None = None,
) -> Litestar:
    """An ASGI application with strict bodies, problems, names for requests, and its description.

    Every route needs a caller unless its `opt` says PUBLIC: authentication is one of
    `middleware`, and sets `scope["state"]["caller"]`. `translations` says what adapters'
    exceptions mean (a lost database: Unavailable). Handlers may ask for `caller`, `drain` and
    `stream_limits`. `around` may answer instead of all of it.
    """
    limits = stream_limits or StreamLimits()
    app = Litestar(
        route_handlers=[*route_handlers, *api_pages(api_page_assets)],
        dependencies={
            "caller": Provide(provide_caller, sync_to_thread=False),
            "drain": Provide(lambda: drain, sync_to_thread=False),
            "stream_limits": Provide(lambda: limits, sync_to_thread=False),
            **(dependencies or {}),
        },
        debug=False,
        exception_handlers=exception_handlers(translations or {}),
        guards=[authenticated_unless_public, known_parameters_only],
        lifespan=list(lifespan),
        logging_config=None,
        middleware=list(middleware),
        openapi_config=openapi_config(
            title="Strongroom",
            version=version,
            description="Chat with and search over private data, gated by consent.",
        ),
        pdb_on_exception=False,
        plugins=[StrictStructs()],
        request_class=StrictRequest,
        request_max_body_size=BODY_BYTES_MAX,
        state=State({"drain": drain}),
    )
    # Around routing and error handling too, so that what they answer is named and logged as well.
    inner = app.asgi_handler if around is None else around(app.asgi_handler)
    app.asgi_handler = Edge(inner, observe=observe)
    return app
