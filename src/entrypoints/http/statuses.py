"""Status codes in the words of RFC 9110, which Python took up in 3.13 only."""

from __future__ import annotations

from http import HTTPStatus

_RENAMED = {
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
    499: "Client Closed Request",  # not of the RFC; nobody is there to read it
}


def title_of(status: int) -> str:
    """`URI Too Long`."""
    return _RENAMED.get(status) or HTTPStatus(status).phrase


def code_of(status: int) -> str:
    """`uri_too_long`."""
    return title_of(status).lower().replace(" ", "_").replace("-", "_")
