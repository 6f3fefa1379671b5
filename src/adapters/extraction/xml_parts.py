"""Reads XML parts of containers as a stream: no tree is built, and no document type accepted.

libxml2 refuses names, values and nesting beyond its own limits besides.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping

from lxml import etree

from adapters.extraction.limits import ExtractionLimits
from domain.retrieval.rejection import DAMAGED, DECLARES_ENTITIES, DocumentRejected

Attributes = Mapping[str, str]
_PIECE_BYTES = 65_536


class PartReader:
    """Hears of the elements of parts, in order; a subclass says what they mean.

    `start`, `end`, `data`, `doctype` and `close` are the names by which lxml calls. Tags are
    "{namespace}name".
    """

    def __init__(self, limits: ExtractionLimits) -> None:
        self.limits = limits

    def read(self, container: zipfile.ZipFile, name: str) -> None:
        """Raises DocumentRejected where there is no such part, or it is no XML."""
        # The five entities of XML itself; others cannot be declared without a document type.
        parser = etree.XMLParser(
            target=self, resolve_entities="internal", no_network=True, huge_tree=False
        )
        try:
            with container.open(name) as part:
                while piece := part.read(_PIECE_BYTES):
                    parser.feed(piece)
            parser.close()
        except (KeyError, etree.XMLSyntaxError, zipfile.BadZipFile, EOFError):
            raise DocumentRejected(DAMAGED) from None

    def start(self, tag: str, attributes: Attributes) -> None:
        """An element begins."""

    def end(self, tag: str) -> None:
        """An element ends."""

    def data(self, text: str) -> None:
        """Some characters; more may follow at once."""

    def doctype(self, *_: str | None) -> None:
        raise DocumentRejected(DECLARES_ENTITIES)

    def close(self) -> None:
        """The part is over."""


def local(tag: str) -> str:
    """The name of an element without its namespace."""
    return tag[tag.rfind("}") + 1 :]


def small_number(attribute: str | None, default: int) -> int:
    """A whole number from an attribute; the default where there is none, or a longer one."""
    if attribute is None or not attribute.isascii() or not attribute.isdecimal():
        return default
    return int(attribute) if len(attribute) < 10 else default
