"""Uploads: multipart/form-data (RFC 7578) with one file, streamed, never on disk or in memory.

Fields may come before or after the file, as clients please: curl and browsers send them in the
order they were written down. So the file is read first, and the fields are complete only then:
`form.content` to its end, then `await form.fields(SomeStruct)`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import msgspec
from litestar import Request
from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
)

from domain.errors import TooLarge
from domain.vault.document import FILENAME_LENGTH_MAX
from entrypoints.http.fields import read_value
from entrypoints.http.json_text import below, parse_json
from entrypoints.http.refusals import (
    BodyTooLarge,
    InvalidFields,
    NotJson,
    NotMultipart,
    WrongContentType,
    WrongField,
)

T = TypeVar("T", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormLimits:
    """What one form may hold. The whole of it is bounded by `body_bytes_max` as well."""

    body_bytes_max: int = 100 * 1024 * 1024
    fields_max: int = 16
    field_bytes_max: int = 16 * 1024
    header_bytes_max: int = 4 * 1024
    filename_characters_max: int = FILENAME_LENGTH_MAX


async def open_form(
    request: Request[Any, Any, Any], *, file: str = "file", limits: FormLimits | None = None
) -> UploadForm:
    """Read a form up to the content of its file, the part named `file`.

    Raises WrongContentType, NotMultipart, InvalidFields (the file is missing, a field is too
    large, a file name too long), BodyTooLarge, and what the request's stream raises.
    """
    limits = limits or FormLimits()
    sent, options = request.content_type
    if sent != _MULTIPART or "content-encoding" in request.headers:
        raise WrongContentType(_MULTIPART)
    if not options.get("boundary"):
        raise NotMultipart("The Content-Type names no boundary.")
    if (request.content_length or 0) > limits.body_bytes_max:
        raise BodyTooLarge(limits.body_bytes_max)
    form = UploadForm(_events(request, options["boundary"], limits), file, limits)
    await form._read_to_file()
    return form


class UploadForm:
    """A form whose file waits to be read."""

    def __init__(self, events: AsyncGenerator[_Event, None], file: str, limits: FormLimits) -> None:
        self._events = events
        self._file = file
        self._limits = limits
        self._texts: dict[str, str] = {}
        self._content_read = False
        self.filename: str | None = None
        """The last part of the client's file name; None where it gave none."""
        self.content_type: str | None = None
        """What the client says the file is; a claim, not a fact."""

    @property
    def content(self) -> AsyncIterator[bytes]:
        """The bytes of the file as they arrive, once."""
        return self._content()

    async def fields(self, kind: type[T]) -> T:
        """All other fields as a Struct, after the content was read to its end.

        Text becomes what the Struct wants: numbers, booleans, dates, enums; where it wants an
        object or a list, the text is read as JSON. Raises InvalidFields naming each wrong one.
        """
        if not self._content_read:
            raise RuntimeError("the content of the file must be read before the fields")
        while (segment := await self._next_segment()) is not None:
            if segment.name == self._file:
                raise _wrong(self._file, "Send one file, once.")
            await self._keep_text(segment)
        plain = {
            field.encode_name: _plain(self._texts.pop(field.encode_name), field)
            for field in msgspec.structs.fields(kind)
            if field.encode_name in self._texts
        }
        read: T = read_value({**plain, **self._texts}, kind, convert=_convert_text)
        return read

    async def _read_to_file(self) -> None:
        while (segment := await self._next_segment()) is not None:
            if segment.name != self._file:
                await self._keep_text(segment)
                continue
            self.filename = _file_name(segment, self._limits)
            self.content_type = segment.content_type
            return
        raise _wrong(self._file, "The file is required and missing.")

    async def _content(self) -> AsyncIterator[bytes]:
        if self._content_read:
            raise RuntimeError("the content of the file was read before")
        async for event in self._events:
            if event is None:
                self._content_read = True
                return
            yield event

    async def _next_segment(self) -> MultipartSegment | None:
        return await anext(self._events, None)

    async def _keep_text(self, segment: MultipartSegment) -> None:
        name = segment.name or ""
        if name in self._texts:
            raise _wrong(name, "This was given more than once.")
        if segment.filename is not None:
            raise _wrong(name, f"Only the part named {self._file} may be a file.")
        if len(self._texts) >= self._limits.fields_max:
            raise NotMultipart(f"A form may have at most {self._limits.fields_max} fields.")
        content = bytearray()
        async for event in self._events:
            if event is None:
                break
            content += event
            if len(content) > self._limits.field_bytes_max:
                raise _FieldTooLarge(name, self._limits.field_bytes_max)
        self._texts[name] = _text(name, bytes(content))


_Event: TypeAlias = Any  # a MultipartSegment, then bytes, then None at its end
_MULTIPART = "multipart/form-data"


class _FieldTooLarge(TooLarge):
    """A field of the form is larger than what is accepted."""

    code = "field_too_large"

    def __init__(self, name: str, bytes_max: int) -> None:
        super().__init__(f"A field may have at most {bytes_max} bytes here.", field=below("", name))


async def _events(
    request: Request[Any, Any, Any], boundary: str, limits: FormLimits
) -> AsyncGenerator[_Event, None]:
    """What the parser makes of the body: a segment, its bytes, None at its end, and so on."""
    received = 0
    try:
        parser = PushMultipartParser(
            boundary,
            max_header_size=limits.header_bytes_max,
            max_segment_count=limits.fields_max + 2,
            strict=True,
        )
        async for piece in request.stream():
            received += len(piece)
            if received > limits.body_bytes_max:
                raise BodyTooLarge(limits.body_bytes_max)
            for event in parser.parse(piece):
                yield event
        parser.close()
    except ParserLimitReached as error:
        raise NotMultipart(f"The form exceeds a limit: {error}.") from None
    except MultipartError as error:
        raise NotMultipart(f"The body is not valid multipart/form-data: {error}.") from None


def _file_name(segment: MultipartSegment, limits: FormLimits) -> str | None:
    name = (segment.filename or "").replace("\\", "/").rpartition("/")[2].strip()
    if len(name) > limits.filename_characters_max:
        limit = limits.filename_characters_max
        raise _wrong(segment.name or "", f"The file name has more than {limit} characters.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        raise _wrong(segment.name or "", "The file name contains control characters.")
    return name if name not in ("", ".", "..") else None


def _text(name: str, content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise _wrong(name, "This is not UTF-8.") from None
    if "\x00" in text:
        raise _wrong(name, "NUL is not accepted in text.")
    return text


def _plain(text: str, field: msgspec.structs.FieldInfo) -> Any:
    """The text, or what it says in JSON where the Struct wants an object or a list."""
    try:
        _convert_text(text, field.type)
    except msgspec.ValidationError:
        if text.lstrip()[:1] in ("{", "["):
            try:
                return parse_json(text.encode(), pointer=below("", field.encode_name))
            except NotJson as error:
                detail = error.message.replace("The body", "This")
                raise _wrong(field.encode_name, detail) from None
    return text


def _convert_text(plain: Any, kind: Any) -> Any:
    return msgspec.convert(plain, kind, strict=False)


def _wrong(name: str, detail: str) -> InvalidFields:
    return InvalidFields([WrongField(below("", name), detail)])
