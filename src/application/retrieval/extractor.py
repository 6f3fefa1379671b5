"""The port through which a file becomes text."""

from __future__ import annotations

from typing import Protocol

from domain.retrieval.extracted_text import ExtractedText


class Extractor(Protocol):
    """Reads the text out of a file that nobody has vouched for.

    Whatever the file does to its parser, the caller and other files go on: time, memory and the
    length of the answer are limited. A file is read at most two times when the extractor itself
    fails; after that it raises Unavailable, and the same call may succeed later.
    """

    async def extract(self, content: bytes, media_type: str) -> ExtractedText:
        """The text, in composed form (NFC), with its blocks.

        `media_type` is what was recognised from the content, without parameters. Raises
        DocumentRejected, with the reason, for a file that cannot be read or has no text.
        Cancelling ends the work at once.
        """
        ...
