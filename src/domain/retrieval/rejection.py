"""Why a document does not become searchable."""

from __future__ import annotations

from domain.errors import Invalid


class DocumentRejected(Invalid):
    """The document cannot be read.

    Final: the same bytes are rejected again. The message is the reason, in words for the person
    who uploaded the document; it never quotes the document.
    """

    code = "document_rejected"
