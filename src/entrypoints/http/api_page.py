"""`/openapi.json`, and `/docs`, an interactive page that loads nothing from elsewhere.

The page is Swagger UI, taken from the files of the installed package drf-spectacular-sidecar,
which is never imported: it needs Django. Where it is absent, the page says so.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from domain.errors import NotFound
from entrypoints.http.access import PUBLIC
from entrypoints.http.etags import is_unchanged
from entrypoints.http.openapi_document import openapi_document


def api_pages(assets: Path | None = None) -> list[BaseRouteHandler]:
    """The handlers. `assets` is the directory of Swagger UI; None: of the installed package."""
    directory = _with_swagger(assets) if assets is not None else installed_assets()

    @get("/openapi.json", opt=PUBLIC, include_in_schema=False)
    async def openapi(request: Request[Any, Any, Any]) -> Response[bytes]:
        content, etag = _encoded_document(request.app)
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if is_unchanged(request.headers.get("if-none-match"), etag):
            return Response(b"", status_code=304, headers=headers)
        return Response(content, media_type="application/vnd.oai.openapi+json", headers=headers)

    @get("/docs", opt=PUBLIC, include_in_schema=False)
    async def docs() -> Response[str]:
        page = _PAGE if directory is not None else _ABSENT
        return Response(
            page, media_type="text/html", headers={"Content-Security-Policy": _PAGE_POLICY}
        )

    @get("/docs/assets/{name:str}", opt=PUBLIC, include_in_schema=False)
    async def asset(name: FromPath[str]) -> Response[bytes]:
        if name == _STARTER_NAME:
            return _asset(_STARTER.encode(), "text/javascript")
        if directory is None or name not in _ASSETS or not (directory / name).is_file():
            raise NotFound
        return _asset(_read(directory / name), _ASSETS[name])

    return [openapi, docs, asset]


def installed_assets() -> Path | None:
    """Where the package keeps Swagger UI; None where it is not installed."""
    spec = importlib.util.find_spec("drf_spectacular_sidecar")
    for root in (spec.submodule_search_locations or []) if spec else []:
        package = Path(root, "static", "drf_spectacular_sidecar", "swagger-ui-dist")
        if (directory := _with_swagger(package)) is not None:
            return directory
    return None


def _with_swagger(directory: Path) -> Path | None:
    return directory if (directory / "swagger-ui-bundle.js").is_file() else None


_ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}
_STARTER_NAME = "start.js"

# Swagger UI writes style attributes and draws its icons from data: URLs; that is all it is given.
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Strongroom API</title>
<link rel="icon" href="/docs/assets/favicon-32x32.png">
<link rel="stylesheet" href="/docs/assets/swagger-ui.css">
</head>
<body>
<noscript>This page needs JavaScript. The document is at <a href="/openapi.json">/openapi.json</a>.
</noscript>
<main id="api"></main>
<script src="/docs/assets/swagger-ui-bundle.js"></script>
<script src="/docs/assets/start.js"></script>
</body>
</html>
"""

_STARTER = """SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
"""

_ABSENT = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Strongroom API</title></head>
<body>
<h1>Strongroom API</h1>
<p>The interactive page is not installed: the package <code>drf-spectacular-sidecar</code>
is absent. The API is described by <a href="/openapi.json">/openapi.json</a>.</p>
</body>
</html>
"""


@lru_cache(8)
def _encoded_document(app: Any) -> tuple[bytes, str]:
    content = msgspec.json.encode(openapi_document(app))
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'


@lru_cache(8)
def _read(path: Path) -> bytes:
    return path.read_bytes()


def _asset(content: bytes, media_type: str) -> Response[bytes]:
    # An hour: the names carry no version, and an upgrade must not be hidden for long.
    headers = {"Cache-Control": "public, max-age=3600"}
    return Response(content, media_type=media_type, headers=headers)
