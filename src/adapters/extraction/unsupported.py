"""Says why a file has no type that is supported, as far as its bytes tell."""

from __future__ import annotations

from adapters.extraction.text_encoding import CONTROLS
from domain.retrieval.rejection import NOT_UNICODE, PROTECTED

SUPPORTED = "Text, Markdown, HTML, PDF, DOCX, PPTX, XLSX, ODS, CSV, JSON and EML are supported."

_COMPOUND_FILE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # [MS-CFB], 2.2
# Names of streams, which stand in the directory of a compound file. A document with a password is
# packed as a whole into the first ([MS-OFFCRYPTO], 2.3.4.4); the others are of the old formats.
_STREAMS = {
    "EncryptedPackage": PROTECTED,
    "WordDocument": "The old format DOC is not supported; save the document as DOCX.",
    "PowerPoint Document": "The old format PPT is not supported; save the document as PPTX.",
    "Workbook": "The old format XLS is not supported; save the document as XLSX.",
}


def why_unsupported(head: bytes, tail: bytes) -> str:
    """`head` and `tail` are those for which `media_type_of` found nothing."""
    if head.startswith(_COMPOUND_FILE):
        for name, said in _STREAMS.items():
            entry = f"{name}\0".encode("utf-16-le")
            if entry in head or entry in tail:
                return said
    return NOT_UNICODE if _is_text(head) else SUPPORTED


def _is_text(head: bytes) -> bool:
    """Whether these are bytes of a text, in whatever encoding it is."""
    if b"\0" not in head:
        return CONTROLS.search(head.decode("latin-1")) is None
    return any(_is_written_in(encoding, head) for encoding in ("utf-16-le", "utf-16-be", "utf-32"))


def _is_written_in(encoding: str, head: bytes) -> bool:
    """Without a mark the order of two bytes is told by what is read: mostly ASCII."""
    text = head[: len(head) // 4 * 4].decode(encoding, "replace")
    ascii_count = len(text.encode("ascii", "ignore"))
    return CONTROLS.search(text) is None and ascii_count > len(text) / 2
