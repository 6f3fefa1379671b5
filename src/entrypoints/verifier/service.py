"""What a running service shows: read over HTTP, and believed in nothing."""

from __future__ import annotations

import http.client
import json
import os
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from entrypoints.verifier.findings import NotChecked
from entrypoints.verifier.reading import BYTES_MAX

TOKEN_VARIABLE = "STRONGROOM_TOKEN"  # noqa: S105 - the name of a variable
TIMEOUT_SECONDS = 30.0


class _NoRedirects(HTTPRedirectHandler):
    """A token goes to whom it was meant for, and to nobody that one points at."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Service:
    """`token` is an access token, or None for what is public."""

    base: str
    token: str | None = field(default=None, repr=False)

    @classmethod
    def at(cls, base: str) -> Service:
        """With the token of the environment. Raises NotChecked for what is not http(s)://host."""
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise NotChecked(f"{base} is no address of a service")
        return cls(base.rstrip("/"), os.environ.get(TOKEN_VARIABLE))

    def json(self, path: str, **query: Any) -> dict[str, Any]:
        """Raises NotChecked where there is no such thing, or the service is not to be reached."""
        found = json.loads(self.content(path, **query))
        if not isinstance(found, dict):
            raise NotChecked(f"{path} answered something else than an object")
        return found

    def text(self, path: str) -> str:
        return self.content(path).decode()

    def content(self, path: str, **query: Any) -> bytes:
        asked = f"{self.base}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        request = Request(asked, headers=headers)  # noqa: S310 - http(s) only, see `at`
        return self._answer(request, path)

    def post(self, path: str, content: str) -> bytes:
        headers = {"Content-Type": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        request = Request(  # noqa: S310 - http(s) only, see `at`
            f"{self.base}{path}", data=content.encode(), headers=headers, method="POST"
        )
        return self._answer(request, path)

    def _answer(self, request: Request, path: str) -> bytes:
        try:
            with build_opener(_NoRedirects).open(request, timeout=TIMEOUT_SECONDS) as answer:
                content: bytes = answer.read(BYTES_MAX + 1)
        except HTTPError as refused:
            said = f"{path} answered {refused.code}: {_said(refused)}"
            raise NotChecked(said, refused.code) from None
        except (URLError, TimeoutError, OSError, http.client.HTTPException) as away:
            raise NotChecked(f"{path} could not be had: {away}") from None
        if len(content) > BYTES_MAX:
            raise NotChecked(f"{path} answered more than {BYTES_MAX} bytes")
        return content


def _said(refused: HTTPError) -> str:
    """The `detail` of a problem document (RFC 9457), on one printable line."""
    try:
        detail = json.loads(refused.read(BYTES_MAX))["detail"]
    except (ValueError, KeyError, TypeError, OSError):
        return str(refused.reason)
    return "".join(each for each in str(detail) if each.isprintable())[:300]
