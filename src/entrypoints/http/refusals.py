"""The refusals that only HTTP knows: a body that is not JSON, a precondition that is missing.

They are kinds beside those of `domain.errors`; `problems.py` gives each its status.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from domain.errors import Invalid, Refusal, TooLarge, UnsupportedType


@dataclass(frozen=True, slots=True)
class WrongField:
    """One field of a request that is to blame, and why.

    `pointer` is a JSON Pointer (RFC 6901): into the body (`/email`), or below `/query` for a
    query parameter (`/query/limit`), `/header` for a header (`/header/If-Match`).
    """

    pointer: str
    detail: str


class InvalidFields(Invalid):
    """Some fields of the request are not valid; `errors` names each of them."""

    code = "invalid_fields"

    def __init__(self, errors: Sequence[WrongField]) -> None:
        super().__init__()
        self.errors = tuple(errors)


class BodyMissing(Invalid):
    """This request needs a JSON body, and none was sent."""

    code = "body_missing"


class NotJson(Invalid):
    """The body is not valid JSON."""

    code = "not_json"


class NotMultipart(Invalid):
    """The body is not valid multipart/form-data."""

    code = "not_multipart"


class BodyTooLarge(TooLarge):
    """The body is larger than this route accepts."""

    code = "body_too_large"

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"The body may have at most {bytes_max} bytes here.")


class WrongContentType(UnsupportedType):
    """The body has a content type that this route does not read."""

    code = "wrong_content_type"

    def __init__(self, *accepted: str) -> None:
        super().__init__(f"The body must be sent as {' or '.join(accepted)}, without compression.")
        self.accepted = accepted


class HttpRefusal(Refusal):
    """A refusal whose kind exists in HTTP alone, with its own status."""

    status: ClassVar[int] = 400

    def headers(self) -> dict[str, str]:
        """What the response must carry besides the problem."""
        return {}


class PreconditionRequired(HttpRefusal):
    """This change needs an If-Match header that names the version it was based on."""

    code = "precondition_required"
    status = 428


class RangeNotSatisfiable(HttpRefusal):
    """The requested range lies outside of the content."""

    code = "range_not_satisfiable"
    status = 416

    def __init__(self, length: int) -> None:
        super().__init__(f"The content has {length} bytes; the range starts after them.")
        self.length = length

    def headers(self) -> dict[str, str]:
        return {"Content-Range": f"bytes */{self.length}"}


class StoredBytesAltered(HttpRefusal):
    """What is stored of this was altered or damaged, so nothing of it is shown."""

    code = "stored_bytes_altered"
    status = 500


class BodyTooSlow(HttpRefusal):
    """The body did not arrive in time."""

    code = "body_too_slow"
    status = 408

    def headers(self) -> dict[str, str]:
        return {"Connection": "close"}


class ClientGone(HttpRefusal):
    """The client closed the connection before it had sent the whole request.

    Nobody reads this answer; the status, which servers use in their logs, tells the operator.
    """

    code = "client_gone"
    status = 499
