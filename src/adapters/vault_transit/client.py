"""Requests to one transit engine: bounded in time and size, and repeated only where that is safe.

Neither the token nor what was sent or answered is ever part of an error or of a log.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import httpx2
import msgspec

from application.vault.key_service import KeyServiceUnavailable

ANSWER_BYTES_MAX = 256 * 1024
ATTEMPTS_MAX = 3
FIRST_PAUSE_SECONDS = 0.05
CONNECTIONS_MAX = 32

Token = Callable[[], str]
"""Reads the token anew: whoever renews it replaces the file that it lies in. Raises OSError."""

_Kind = TypeVar("_Kind")


class _Answer(msgspec.Struct, Generic[_Kind]):
    data: _Kind


class NotAccepted(KeyServiceUnavailable):
    """The engine refused what was asked (400): the ciphertext, its version, or its context."""


class NotThere(KeyServiceUnavailable):
    """There is no such key, or no such engine (404)."""


class _Passing(Exception):
    """Worth another attempt."""


def http_client(ca_file: Path | None = None) -> httpx2.AsyncClient:
    """No proxy from the environment, no redirects: the token goes to the named address alone.

    `ca_file` names the only authorities that are trusted, in PEM. Raises OSError, ssl.SSLError.
    """
    return httpx2.AsyncClient(
        timeout=None,  # every request has a limit of its own
        limits=httpx2.Limits(max_connections=CONNECTIONS_MAX),
        follow_redirects=False,
        trust_env=False,
        verify=True if ca_file is None else ssl.create_default_context(cafile=ca_file),
    )


@dataclass(slots=True, kw_only=True)
class TransitClient:
    """`url` ends before /v1. All attempts at one request together last `seconds_max` at most."""

    url: str
    mount: str
    token: Token = field(repr=False)
    http: httpx2.AsyncClient = field(repr=False)
    seconds_max: float
    _token: str | None = field(default=None, init=False, repr=False)

    async def ask(
        self, path: str, answer: type[_Kind], body: Mapping[str, object] | None = None
    ) -> _Kind:
        """POST `body`, or GET without one; `answer` is what has to be in the member `data`.

        Raises NotAccepted, NotThere, and KeyServiceUnavailable for everything else.
        """
        content = await self._answered(path, body, ATTEMPTS_MAX)
        try:
            return msgspec.json.decode(content, type=_Answer[answer]).data  # type: ignore[valid-type]
        except msgspec.MsgspecError:
            raise KeyServiceUnavailable from None  # the cause would quote the answer

    async def tell(self, path: str, body: Mapping[str, object], *, repeatable: bool = True) -> None:
        """POST `body`; what is answered differs between releases. Raises as `ask` does."""
        await self._answered(path, body, ATTEMPTS_MAX if repeatable else 1)

    async def _answered(self, path: str, body: Mapping[str, object] | None, attempts: int) -> bytes:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.seconds_max):
                for attempt in range(attempts):
                    try:
                        return await self._once(path, body)
                    except _Passing:
                        await asyncio.sleep(FIRST_PAUSE_SECONDS * 2**attempt)
        raise KeyServiceUnavailable

    async def _once(self, path: str, body: Mapping[str, object] | None) -> bytes:
        status, content = await self._sent(path, body)
        if status == 403 and await self._has_new_token():
            status, content = await self._sent(path, body)
        if status == 400:
            raise NotAccepted
        if status == 404:
            raise NotThere
        if status == 429 or status >= 500:  # also a standby, and an engine that is sealed
            raise _Passing
        if status not in {200, 204}:
            raise KeyServiceUnavailable
        return content

    async def _sent(self, path: str, body: Mapping[str, object] | None) -> tuple[int, bytes]:
        if self._token is None:
            await self._has_new_token()
        request = self.http.build_request(
            "GET" if body is None else "POST",
            f"{self.url.rstrip('/')}/v1/{self.mount}/{path}",
            content=None if body is None else msgspec.json.encode(body),
            headers={"X-Vault-Token": self._token or "", "Content-Type": "application/json"},
        )
        try:
            response = await self.http.send(request, stream=True)
            try:
                content = bytearray()
                async for piece in response.aiter_bytes():
                    content += piece
                    if len(content) > ANSWER_BYTES_MAX:
                        raise KeyServiceUnavailable
            finally:
                await response.aclose()
        except httpx2.HTTPError:
            raise _Passing from None  # the cause holds the request, and that the token
        return response.status_code, bytes(content)

    async def _has_new_token(self) -> bool:
        try:
            token = await asyncio.to_thread(self.token)
        except OSError:
            raise KeyServiceUnavailable from None
        changed, self._token = token != self._token, token
        return changed
