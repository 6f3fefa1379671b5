"""Refusals in the words of OAuth (RFC 6749, section 5.2)."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType

NOT_STORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthRefused(Exception):
    """A refusal that OAuth has a name for."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


class OAuthError(msgspec.Struct, kw_only=True):
    """RFC 6749, section 5.2."""

    error: str
    error_description: str


def oauth_refused(request: Request[Any, Any, Any], refused: OAuthRefused) -> Response[OAuthError]:
    del request
    return Response(
        OAuthError(error=refused.error, error_description=refused.description),
        status_code=400,
        headers=NOT_STORED,
        media_type=MediaType.JSON,
    )
