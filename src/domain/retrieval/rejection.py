"""Why a document does not become searchable. Each limit has its words here."""

from __future__ import annotations

from domain.errors import Invalid


class DocumentRejected(Invalid):
    """The document cannot be read.

    Final: the same bytes are rejected again. The message is the reason, in words for the person
    who uploaded the document; it never quotes the document.
    """

    code = "document_rejected"


NOT_SUPPORTED = "This type of content is not supported."
DAMAGED = "The document is damaged."
NOT_WHAT_IT_SEEMS = "The document is damaged, or not what it seems to be."
PROTECTED = "The document is protected by a password."
NO_TEXT = "The document has no text."
NOT_UNICODE = "The text is not written in UTF-8, or in UTF-16 with a byte order mark."
DECLARES_ENTITIES = "The document declares entities, which is not accepted."
PARTS_OVERLAP = "The parts of the file overlap."
JSON_NOT_WELL_FORMED = "The JSON is not well-formed, or breaks off."
TOO_DEEP = "The document is nested too deeply."
TOO_MUCH_MEMORY = "Reading the document needs more memory than is allowed."
TOO_LONG = "Reading the document takes longer than is allowed."
READER_FAILED = "The document makes its reader fail; it is damaged, or made to do harm."


def more_than(most: int, what: str, *, holder: str = "document") -> DocumentRejected:
    """There is too much of something: `more_than(2_000, "pages")`."""
    return DocumentRejected(f"The {holder} has more than {most:,} {what}.")


def more_bytes_than(most: int) -> DocumentRejected:
    """The text is longer than is read."""
    return DocumentRejected(f"The document has more than {most >> 20} MiB of text.")


def larger_than(most: int) -> DocumentRejected:
    """The file itself is larger than is read."""
    return DocumentRejected(f"The file is larger than {most >> 20} MiB.")


def expands_beyond(most: int) -> DocumentRejected:
    """An archive unpacks to more bytes than are unpacked."""
    return DocumentRejected(f"The file expands to more than {most >> 20} MiB.")


def expands_times(most: int) -> DocumentRejected:
    """A part of an archive is packed more tightly than documents are."""
    return DocumentRejected(f"The file expands to more than {most} times its size.")


def deeper_than(most: int) -> DocumentRejected:
    """What is in what is in what, too often."""
    return DocumentRejected(f"The document is nested more than {most} levels deep.")
