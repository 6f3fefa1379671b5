"""Refusals in the words of OAuth (RFC 6749, section 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType

NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthRefused(Exception):
    """A refusal that OAuth has a name for."""

    def __init__(
        self,
        error: str,
        description: str,
        *,
        status: int = 400,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`headers` are what comes with this refusal alone."""
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status
        self.headers = dict(headers or {})


class OAuthError(msgspec.Struct, kw_only=True):
    """RFC 6749, section 5.2."""

    error: str
    error_description: str


def oauth_refused(request: Request[Any, Any, Any], refused: OAuthRefused) -> Response[OAuthError]:
    del request
    return Response(
        OAuthError(error=refused.error, error_description=refused.description),
        status_code=refused.status,
        headers=NOT_STORED | refused.headers,
        media_type=MediaType.JSON,
    )
