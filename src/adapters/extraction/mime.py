"""Takes messages apart (RFC 5322, RFC 2045 to 2047), within limits and without copies.

The parser of the standard library nests as deeply as a message does, and asks of every line
whether it ends any of the parts that are open; here a part is a stretch of the content.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import decode_header
from email.message import Message
from functools import cached_property

from adapters.extraction.limits import ExtractionLimits
from domain.retrieval.rejection import more_than

_BLANK_LINE = re.compile(rb"(?<![^\n])\r?\n")
_FIELD = re.compile(rb"([!-9;-~]{1,100}+):([^\n]*+(?:\n[ \t][^\n]*+)*+)")
_FOLD = re.compile(r"[\r\n]+[ \t]*")
_PARAMETERS_MAX = 4_096  # characters of a field that has parameters
_SHOWN_MAX = 10_000  # characters of a field that is shown
_BOUNDARY_MAX = 200
# Looked up now, since a confined reader opens no module later; and these alone, since codecs
# such as punycode take a time that grows with the square of the length.
_CHARSETS = {
    name: codecs.lookup(name)
    for name in (
        *("ascii", "utf-8", "utf-16", "latin-1", "koi8-r", "koi8-u", "mac-roman"),
        *(f"iso8859-{number}" for number in range(2, 17) if number != 12),
        *(f"cp{number}" for number in (437, 850, 852, 866, 874, *range(1250, 1259))),
        *("shift_jis", "cp932", "euc_jp", "iso2022_jp", "gb2312", "gbk", "gb18030"),
        *("big5", "euc_kr", "cp949"),
    )
}
_BY_NAME = {codec.name: codec for codec in _CHARSETS.values()}


@dataclass(frozen=True)
class Entity:
    """A message, or a part of one: the bytes [start, end) of the content, header and body."""

    content: bytes
    start: int
    end: int
    limits: ExtractionLimits
    default_type: str = "text/plain"

    @cached_property
    def kind(self) -> str:
        """The declared type, in small letters."""
        declared = self._parameters("content-type")
        return declared.get_content_type() if "content-type" in declared else self.default_type

    @property
    def filename(self) -> str:
        """As it was sent; empty where there is none."""
        both = Message()
        both["content-type"] = self.field("content-type")[:_PARAMETERS_MAX] or "x/x"
        both["content-disposition"] = self.field("content-disposition")[:_PARAMETERS_MAX] or "x"
        try:
            found = both.get_filename("")
        except ValueError:  # a charset with a NUL in its name
            return ""
        return " ".join(_words(found).split())[:255]

    @property
    def is_attached(self) -> bool:
        return self.field("content-disposition").strip().lower().startswith("attachment")

    @property
    def is_within_text(self) -> bool:
        """Whether another part refers to it, as HTML does to its images."""
        return bool(self.field("content-id"))

    def field(self, name: str) -> str:
        """A field of the header, unfolded, as it was written; empty where there is none."""
        return self._fields.get(name, "")

    def shown(self, name: str) -> str:
        """A field of the header as a person reads it."""
        return " ".join(_words(self.field(name)[:_SHOWN_MAX]).split())

    def parts(self) -> Iterator[Entity]:
        """What a multipart body holds; nothing where it has no boundary."""
        boundary = self._parameters("content-type").get_boundary("")
        if not boundary or len(boundary) > _BOUNDARY_MAX:
            return
        name = re.escape(boundary.encode("utf-8", "replace"))
        line = re.compile(rb"(?<![^\n])--%s(--)?[ \t]*\r?(?:\n|\Z)" % name)
        within = "message/rfc822" if self.kind == "multipart/digest" else "text/plain"
        begun = -1
        for found in line.finditer(self.content, self._body_at, self.end):
            if begun >= 0:
                yield Entity(self.content, begun, found.start(), self.limits, within)
            begun = found.end()
            if found[1]:
                return
        if begun >= 0:  # cut short
            yield Entity(self.content, begun, self.end, self.limits, within)

    def body(self) -> bytes | None:
        """The content, decoded; None where that cannot be done."""
        raw = self.content[self._body_at : self.end]
        encoding = self.field("content-transfer-encoding").strip().lower()
        if encoding == "quoted-printable":
            return binascii.a2b_qp(raw)
        if encoding != "base64":
            return raw if encoding in {"", "7bit", "8bit", "binary"} else None
        for padding in (b"", b"=", b"=="):
            try:
                return binascii.a2b_base64(raw + padding)
            except binascii.Error:
                continue
        return None

    def text(self) -> str:
        """The body of a text, in the charset that it declares, or a likely one."""
        try:
            charset = self._parameters("content-type").get_content_charset("")
        except ValueError:
            charset = ""
        return _decoded(self.body() or b"", charset)

    @cached_property
    def _body_at(self) -> int:
        longest = self.limits.message_header_bytes_max
        blank = _BLANK_LINE.search(self.content, self.start, min(self.end, self.start + longest))
        if blank is not None:
            return blank.end()
        if self.end - self.start > longest:
            raise more_than(longest, "bytes in one header")
        return self.end

    @cached_property
    def _fields(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for field in _FIELD.finditer(self.content, self.start, self._body_at):
            value = _FOLD.sub(" ", _decoded(field[2], "")).strip()
            found.setdefault(field[1].decode("ascii").lower(), value)
        return found

    def _parameters(self, name: str) -> Message:
        message = Message()
        value = self.field(name)
        if value:
            message[name] = value[:_PARAMETERS_MAX]
        return message


def _words(text: str) -> str:
    """Encoded words (RFC 2047) as what they say."""
    try:
        parts = decode_header(text)
    except (ValueError, LookupError):
        return text
    return "".join(
        part if isinstance(part, str) else _decoded(part, charset or "") for part, charset in parts
    )


def _decoded(content: bytes, charset: str) -> str:
    try:
        named = codecs.lookup(charset).name if charset and charset.isascii() else ""
    except (LookupError, OSError, ValueError):
        named = ""
    if named in _BY_NAME:
        return _BY_NAME[named].decode(content, "replace")[0]
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")
