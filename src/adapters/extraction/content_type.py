"""Decides what a file is from its bytes. Names and declared types are claims, and not looked at."""

from __future__ import annotations

import re

from adapters.extraction.delimited import delimiter_of
from adapters.extraction.json_values import JsonKind, json_kind
from adapters.extraction.text_encoding import CONTROLS, text_of

PLAIN_TEXT = "text/plain"
MARKDOWN = "text/markdown"
HTML = "text/html"
PDF = "application/pdf"
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PPTX = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ODS = "application/vnd.oasis.opendocument.spreadsheet"
CSV = "text/csv"
TSV = "text/tab-separated-values"
JSON = "application/json"
JSON_LINES = "application/x-ndjson"
EML = "message/rfc822"

HEAD_BYTES = 65_536
TAIL_BYTES = 65_536

_PDF_HEADER_BYTES_MAX = 1_024  # PDF 1.7, implementation note 13: junk may come before the header
_OTHER_TEXT = ("{\\rtf", "%!PS", "-----BEGIN PGP MESSAGE")
_HTML_START = re.compile(
    r"(?:<\?xml[^>]{0,200}>\s{0,99}|<!--(?:[^-]|-(?!->)){0,9999}-->\s{0,99}){0,9}"
    r"<(?:!doctype html|html|head|body|title|meta|h[1-6]|p|div|section|article|main|header|nav|"
    r"table|ul|ol|dl|pre|blockquote|span|strong|em|b|i|a|style|script|center|font|br|hr|img|link|"
    r"base|footer|aside|form|figure|details|u|small|big|address)\b",
    re.IGNORECASE,
)
_HTML_MORE = re.compile(r"</[a-z][a-z0-9]{0,20}>|<!doctype html|<html\b", re.IGNORECASE)
_END_TAG = re.compile(r"</[a-z]", re.IGNORECASE)
_HTML_PAGE = re.compile(r"<!doctype html|<(?:html|head|body)\b", re.IGNORECASE)
# A message begins with fields of a header (RFC 5322), and ends them by an empty line.
_FIELD = rb"[!-9;-~]{1,100}+:[^\r\n]*+\r?\n(?:[ \t][^\r\n]*+\r?\n)*+"
_FIELDS = re.compile(rb"(?:%s){2,20000}+" % _FIELD)
_FIELD_NAME = re.compile(rb"^([!-9;-~]{1,100}+):", re.MULTILINE)
_ORIGIN = frozenset({b"date", b"received", b"mime-version", b"message-id"})
_ADDRESS = frozenset({b"to", b"cc", b"bcc", b"subject", b"delivered-to", b"return-path"})
# Each sign of Markdown that text without markup rarely shows. A line of hashes alone is also a
# comment of many programming languages, so a heading counts only where blank lines set it off.
_MARKDOWN_SIGNS = (
    re.compile(r"(?:\A|\n[ \t]*\n)#{1,6} [^\n]{1,300}(?=\n[ \t]*\n|\Z)"),
    re.compile(r"(?:\A|\n)#{1,6} [^\n]{1,300}\n[ \t]*\n#{1,6} "),
    re.compile(r"(?:\A|\n)[^\s#=][^\n]{0,200}\n(?:={3,}|-{3,})[ \t]*(?=\n|\Z)"),
    re.compile(r"(?:\A|\n)(?:```|~~~)[^\n]{0,99}\n"),
    re.compile(r"\n {0,3}\|? {0,9}:?-+:? {0,9}(?:\| {0,9}:?-+:? {0,9})+\|?[ \t]*(?=\n|\Z)"),
    re.compile(r"!?\[[^\]\n]{1,300}\]\([^)\s]{1,1000}\)"),
    re.compile(r"(?<!\w)\*\*[^\s*][^*\n]{0,300}\*\*(?!\w)"),
    re.compile(r"(?:\A|\n)(?:[-*+]|\d{1,3}[.)]) +\S[^\n]*\n(?: *\n)?(?:[-*+]|\d{1,3}[.)]) +\S"),
)
_STRONG_SIGNS = 7  # those before the list, which plain text has too


def media_type_of(head: bytes, tail: bytes = b"") -> str | None:
    """The media type, or None for what is not supported.

    `head` is the first HEAD_BYTES of the content and `tail` its last TAIL_BYTES, or all of it
    where it is shorter. Text is in an encoding that can be told: see `text_of`.
    """
    if head.startswith(b"PK\x03\x04"):
        return _container_type(head, tail)
    if _is_message(head):
        return EML
    is_pdf = b"%PDF-" in head[:_PDF_HEADER_BYTES_MAX]
    text = _as_text(head, guess=not is_pdf)
    if text is not None and not text.lstrip().startswith("%PDF-"):
        return _text_type(text, tail, whole=len(head) < HEAD_BYTES)
    return PDF if is_pdf else None


def _container_type(head: bytes, tail: bytes) -> str | None:
    """Office documents by the members that only they have; other archives are not supported."""
    names = set(_member_names(head, b"PK\x03\x04", 26, 30))
    names.update(_member_names(tail or head, b"PK\x01\x02", 28, 46))
    if head[30:38] == b"mimetype":  # OpenDocument: the first member, stored as it is
        start = 38 + int.from_bytes(head[28:30], "little")  # extra fields come before
        return ODS if head[start:].startswith(ODS.encode() + b"PK") else None
    if b"[Content_Types].xml" not in names:
        return None
    if any(name.endswith(b"vbaProject.bin") for name in names):
        return None  # macros
    if any(name.startswith(b"word/document") for name in names):
        return DOCX
    if b"ppt/presentation.xml" in names:
        return PPTX
    if b"xl/workbook.xml" in names:
        return XLSX
    return None


def _is_message(head: bytes) -> bool:
    """Whether there is who sent it, and what else only messages have."""
    fields = _FIELDS.match(head)
    if fields is None:
        return False
    rest = head[fields.end() :]
    if rest and rest[0] not in b"\r\n" and (len(head) < HEAD_BYTES or b"\n" in rest):
        return False  # neither ended by an empty line, nor cut within a field
    names = {name.lower() for name in _FIELD_NAME.findall(fields[0])}
    return b"from" in names and bool(names & _ORIGIN) and bool(names & _ADDRESS)


def _member_names(part: bytes, signature: bytes, length_at: int, name_at: int) -> list[bytes]:
    names = []
    at = part.find(signature)
    while at >= 0:
        length = int.from_bytes(part[at + length_at : at + length_at + 2], "little")
        names.append(part[at + name_at : at + name_at + length])
        at = part.find(signature, at + 4)
    return names


def _as_text(head: bytes, *, guess: bool) -> str | None:
    # A head that was cut may end within a character; a whole file may not.
    text = text_of(head, whole=len(head) < HEAD_BYTES, guess=guess)
    return None if text is None or CONTROLS.search(text) else text


def _text_type(text: str, tail: bytes, *, whole: bool) -> str | None:
    start = text.lstrip()
    if start.startswith(_OTHER_TEXT):
        return None
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    if _HTML_START.match(start) and _HTML_MORE.search(start):
        return MARKDOWN if _begins_with_html_only(start, lines) else HTML
    kind = json_kind(text, tail, whole=whole)
    if kind is not None:
        return JSON if kind is JsonKind.ONE else JSON_LINES
    delimiter = delimiter_of(lines, whole=whole)
    if delimiter is not None:
        return TSV if delimiter == "\t" else CSV
    found = [sign.search(lines) is not None for sign in _MARKDOWN_SIGNS]
    if sum(found) >= 2 and any(found[:_STRONG_SIGNS]):
        return MARKDOWN
    return MARKDOWN if found[0] and lines.startswith("#") else PLAIN_TEXT


def _begins_with_html_only(start: str, lines: str) -> bool:
    """Whether it is Markdown with some HTML in it, as before the heading of many: a logo, say."""
    if _HTML_PAGE.search(start):
        return False
    heading, again, *others = (
        sign.search(lines) is not None for sign in _MARKDOWN_SIGNS[:_STRONG_SIGNS]
    )
    said = sum(1 for line in lines.split("\n") if line.strip())
    return (heading or again) + sum(others) >= 2 and len(_END_TAG.findall(lines)) * 4 < said
