"""Says why a file has no type that is supported, as far as its bytes tell."""

from __future__ import annotations

from domain.retrieval.rejection import PROTECTED

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
    return SUPPORTED
